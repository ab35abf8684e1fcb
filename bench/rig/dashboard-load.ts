/** Pages of the dashboard that are open, in a process of their own. */
export class DashboardPages {
	readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
	readonly #startMs = performance.now();

	constructor(origin: string, pages: number) {
		const script = new URL("./dashboard-pages.ts", import.meta.url).pathname;
		this.#child = Bun.spawn([process.execPath, script, origin, String(pages)], {
			stdin: "ignore",
			stdout: "pipe",
			stderr: "inherit",
		});
	}

	/** @returns answers per second */
	async stop(): Promise<number> {
		this.#child.kill("SIGTERM");
		const answers = Number(await this.#child.stdout.text());
		if (!(answers > 0)) throw new Error("no page was answered");
		return (answers * 1000) / (performance.now() - this.#startMs);
	}
}
