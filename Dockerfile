# syntax=docker/dockerfile:1
# Two stages: one that builds, and a small one that holds the binary and the roots of trust.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# Dependencies first, against empty sources: they are built again only when the manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src \
    && echo '//! Nothing yet.' > src/lib.rs \
    && printf '//! Nothing yet.\nfn main() {}\n' > src/main.rs \
    && cargo build --profile dist --locked --bin event-connector \
    && rm -r src
# The defaults and the migrations are compiled in.
COPY config/default.toml config/default.toml
COPY migrations migrations
COPY src src
# The empty sources are newer than those of an old checkout; their traces must not count as built.
RUN touch src/lib.rs src/main.rs \
    && cargo build --profile dist --locked --bin event-connector

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /build/target/dist/event-connector /usr/local/bin/event-connector
# A number, so that an orchestrator can see that this is not root.
USER 10001:10001
# Everything that is written lies in /data; the rest of the file system may be read-only.
VOLUME ["/data"]
WORKDIR /data
ENV CONNECTOR__HTTP__BIND=0.0.0.0:8080 \
    CONNECTOR__STORE__PATH=/data/event-connector.db \
    CONNECTOR__SPOOL__PATH=/data/spool.db \
    CONNECTOR__PRODUCTS__PATH=/etc/event-connector/products.json
EXPOSE 8080
# SIGTERM lets requests and deliveries under way finish, for as long as shutdown.grace_ms.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["event-connector", "health"]
ENTRYPOINT ["event-connector"]
CMD ["serve"]
