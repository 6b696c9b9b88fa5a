// Receives pushes, verifies each with the npm package `standardwebhooks`, and reports it in a line of JSON. It ends
// when its input does. Kinds of lines: listening, push, end.
//
//   node receive.mjs MODULE SECRET

import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [module, secret] = process.argv.slice(2);
const { Webhook, WebhookVerificationError } = await import(pathToFileURL(module));

const report = (kind, fields = {}) => console.log(JSON.stringify({ kind, ...fields }));

const receiver = secret.startsWith("whsec_")
  ? new Webhook(secret)
  : new Webhook(Buffer.from(secret), { format: "raw" });
const stranger = new Webhook(Buffer.from("somebody else's secret of 32 byt"), { format: "raw" });

function verifies(webhook, body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

// The body with one byte changed, at another place each time; what was UTF-8 stays it.
function altered(body, number) {
  const other = Buffer.from(body);
  other[(number * 37) % other.length] ^= 1;
  return other;
}

let number = 0;
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  const { headers } = request;
  const verdicts = {
    ours: verifies(receiver, body, headers),
    altered: verifies(receiver, altered(body, number++), headers),
    stranger: verifies(stranger, body, headers),
  };
  const { session_id: session, actions } = JSON.parse(body);
  report("push", {
    verdicts,
    session,
    titles: actions.map((action) => action.title),
    delivery: headers["x-connector-delivery"],
    attempt: Number(headers["x-connector-attempt"]),
    answer: verdicts.ours ? "200" : "401",
    is_kept: verdicts.ours,
  });
  response.writeHead(verdicts.ours ? 200 : 401).end();
});
server.listen(0, "127.0.0.1", () => report("listening", { port: server.address().port }));
process.stdin.resume();
process.stdin.on("end", () => {
  report("end");
  process.exit(0);
});
