/** Asks a relay for `listRepos` again and again until SIGTERM, then prints how often it was answered. Arguments: its origin. */
const [, , origin] = process.argv;
let answers = 0;
process.on("SIGTERM", () => {
	console.log(answers);
	process.exit(0);
});
for (;;) {
	const response = await fetch(`${origin}/xrpc/com.atproto.sync.listRepos?limit=1000`);
	await response.arrayBuffer();
	if (!response.ok) throw new Error(`listRepos answered ${response.status}`);
	answers++;
}
