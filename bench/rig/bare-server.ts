/** A server that answers at once and does nothing else. Prints its port. A probe of it says what the machine itself makes a probe wait. */
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") });
console.log(server.port);
