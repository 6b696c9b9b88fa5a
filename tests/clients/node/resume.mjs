// Opens as many EventSources as there are recorded events and cuts the first connection of each: the
// nth after n events and half of what follows. From then on they are left to themselves. Reports in
// JSON lines: `complete` once all have the recorded events, and `seen`, one per client, once all have
// had the event whose data names the last label.
//
//   node resume.mjs MODULE URL TOKEN EVENTS LAST

import { pathToFileURL } from "node:url";

const [module, url, token, count, last] = process.argv.slice(2);
const { EventSource } = await import(pathToFileURL(module));
const recorded = Number(count);

const report = (kind, fields = {}) => console.log(JSON.stringify({ kind, ...fields }));

// Where the nth event ends in the bytes so far, or -1.
function endOfEvent(bytes, n) {
  let [at, seen] = [0, 0];
  for (;;) {
    const end = bytes.indexOf("\n\n", at);
    if (end < 0) return -1;
    if (bytes.subarray(at, end).includes("id: ")) seen += 1;
    at = end + 2;
    if (seen === n) return at;
  }
}

// The body up to the nth event and half of the bytes that came with it, which is mostly in the middle
// of the next event; then the connection ends.
function cut(body, n, abort) {
  const reader = body.getReader();
  let passed = Buffer.alloc(0);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      const before = passed.length;
      passed = Buffer.concat([passed, value]);
      const end = endOfEvent(passed, n);
      if (end < 0) return controller.enqueue(value);
      const stop = end + Math.floor(Math.min(passed.length - end, 600) / 2);
      controller.enqueue(passed.subarray(before, stop));
      controller.close();
      abort.abort();
    },
  });
}

function open(n) {
  const client = { cut: n, opened: 0, events: [], failures: [] };
  const source = new EventSource(url, {
    fetch: async (address, init) => {
      const abort = new AbortController();
      const headers = { ...init.headers, Authorization: `Bearer ${token}` };
      const response = await fetch(address, { ...init, headers, signal: abort.signal });
      if (client.opened > 0 || !response.ok) return response;
      const body = cut(response.body, n, abort);
      return { body, status: 200, redirected: false, url: response.url, headers: response.headers };
    },
  });
  source.onopen = () => (client.opened += 1);
  source.onmessage = (event) => client.events.push([event.lastEventId, event.data]);
  source.onerror = (error) => {
    if (source.readyState === EventSource.CLOSED) client.failures.push(String(error.message));
  };
  client.close = () => source.close();
  return client;
}

const clients = Array.from({ length: recorded }, (_, n) => open(n + 1));

async function until(holds) {
  while (!clients.every((client) => client.failures.length > 0 || holds(client))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

await until((client) => client.opened > 1 && client.events.length >= recorded);
report("complete");
await until((client) => client.events.at(-1)?.[1].includes(last));
for (const { close, ...client } of clients) {
  close();
  report("seen", client);
}
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
