/** A receiver of traces that takes all and keeps nothing. Prints its port. */
const server = Bun.serve({
	hostname: "127.0.0.1",
	port: 0,
	async fetch(request) {
		await request.arrayBuffer();
		return Response.json({});
	},
});
console.log(server.port);
