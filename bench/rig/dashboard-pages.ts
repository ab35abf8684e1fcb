/**
 * Asks for what pages of the dashboard ask for, as their script does, until SIGTERM: `bun dashboard-pages.ts ORIGIN PAGES`. Then it prints
 * the number of answers. A process of its own, so that its work is not counted as the relay's.
 */

/** As in the page's script. */
const TABLES_EVERY = 3;
const SPREAD_MS = 100;
/** Nobody opens all pages at once. */
const OPENED_WITHIN_MS = 2_000;
/** Those that a screen shows at once. A page asks for what is on the screen. */
const TABLES = ["hosts", "consumers"] as const;

const [origin = "", pages = ""] = process.argv.slice(2);
let answers = 0;

async function ask(path: string): Promise<string> {
	const response = await fetch(`${origin}/${path}`);
	const text = await response.text();
	if (!response.ok) throw new Error(`/${path} answers ${response.status}: ${text.slice(0, 200)}`);
	answers++;
	return text;
}

interface Live {
	status: { atMs: number };
	sample: number;
	nextMs: number;
}

async function openPage(): Promise<never> {
	let lastMs = 0;
	await ask("");
	for (;;) {
		const { status, sample, nextMs } = JSON.parse(await ask(`dashboard/live?since=${lastMs}`)) as Live;
		lastMs = status.atMs;
		if (sample % TABLES_EVERY === 0) for (const table of TABLES) void ask(`dashboard/${table}`);
		await Bun.sleep(nextMs + SPREAD_MS * Math.random());
	}
}

for (let page = 0; page < Number(pages); page++) {
	setTimeout(() => void openPage(), (page * OPENED_WITHIN_MS) / Number(pages));
}
process.on("SIGTERM", () => {
	process.stdout.write(`${answers}\n`, () => process.exit(0));
});
