/**
 * Asks for what pages of the dashboard ask for, as their script does, until SIGTERM: `bun dashboard-pages.ts ORIGIN PAGES`. Then it prints
 * the number of answers. A process of its own, so that its work is not counted as the relay's.
 */

/** As in the page's script. */
const LIVE_INTERVAL_MS = 2_000;
const TABLES_INTERVAL_MS = 5_000;
const TABLES = ["hosts", "consumers", "rejections", "audit"] as const;

const [origin = "", pages = ""] = process.argv.slice(2);
let answers = 0;

async function ask(path: string): Promise<string> {
	const response = await fetch(`${origin}/${path}`);
	const text = await response.text();
	if (!response.ok) throw new Error(`/${path} answers ${response.status}: ${text.slice(0, 200)}`);
	answers++;
	return text;
}

async function openPage(): Promise<void> {
	let lastMs = 0;
	const poll = async (): Promise<void> => {
		const { status } = JSON.parse(await ask(`dashboard/live?since=${lastMs}`)) as { status: { atMs: number } };
		lastMs = status.atMs;
	};
	await ask("");
	await poll();
	setInterval(() => void poll(), LIVE_INTERVAL_MS);
	setInterval(() => {
		for (const table of TABLES) void ask(`dashboard/${table}`);
	}, TABLES_INTERVAL_MS);
}

for (let page = 0; page < Number(pages); page++) {
	// Nobody opens all of them at once.
	setTimeout(() => void openPage(), (page * LIVE_INTERVAL_MS) / Number(pages));
}
process.on("SIGTERM", () => {
	process.stdout.write(`${answers}\n`, () => process.exit(0));
});
