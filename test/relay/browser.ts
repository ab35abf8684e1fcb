import { readFileSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** The program of Debian's package; null if it is not installed. */
export const CHROMIUM = Bun.which("chromium");

/** More than a loaded machine takes for anything that a test waits for in a browser. */
export const PATIENCE_MS = 120_000;

const FLAGS = [
	"--headless",
	"--no-sandbox",
	"--disable-gpu",
	"--disable-quic",
	"--no-first-run",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
];

/** Whatever keeps the page from what its policy lets it do. Written by the browser. */
const COLLECT_VIOLATIONS = `
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
	window.violations.push(event.violatedDirective + " " + event.blockedURI + " " + event.sourceFile));
`;

/** What the rules of axe found. */
export interface AxeFinding {
	id: string;
	impact: string;
	nodes: string[];
}

/** Starts the browser, with a new profile. */
export function openBrowser(): Promise<Browser> {
	if (CHROMIUM === null) throw new Error("there is no chromium");
	return chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: PATIENCE_MS });
}

/** A tab, and what went wrong in it. */
export class Tab {
	readonly context: BrowserContext;
	readonly page: Page;
	/** URLs that the page asked for. */
	readonly requested: string[] = [];
	/** Errors and warnings of the browser and of scripts, and dialogs that something opened. */
	readonly complaints: string[] = [];

	private constructor(context: BrowserContext, page: Page) {
		this.context = context;
		this.page = page;
		page.setDefaultTimeout(PATIENCE_MS);
		page.on("request", (request) => void this.requested.push(request.url()));
		page.on("pageerror", (error) => void this.complaints.push(`error: ${error.message}`));
		page.on("dialog", (dialog) => {
			this.complaints.push(`dialog: ${dialog.message()}`);
			void dialog.dismiss();
		});
		page.on("console", (message) => {
			if (["error", "warning"].includes(message.type()))
				this.complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
		});
	}

	static async open(browser: Browser, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Tab> {
		const context = await browser.newContext(options);
		await context.addInitScript(COLLECT_VIOLATIONS);
		return new Tab(context, await context.newPage());
	}

	/** What the page's policy has kept it from. */
	violations(): Promise<string[]> {
		return this.page.evaluate<string[]>("window.violations");
	}

	/** Where the rules of WCAG 2.1 AA, and axe's own of best practice, are broken. @param only these rules; all if absent */
	async axe(only?: readonly string[]): Promise<AxeFinding[]> {
		const options = JSON.stringify(only === undefined ? {} : { runOnly: only });
		const [script] = AXE;
		await this.page.evaluate(script);
		return this.page.evaluate<AxeFinding[]>(`axe.run(${options}).then(({ violations }) =>
			violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html.slice(0, 200)) })))`);
	}

	/** The text of what a selector finds; empty if it finds nothing yet. */
	async text(selector: string): Promise<string> {
		return (await this.page.locator(selector).allTextContents()).join("\n");
	}

	/** The text of a table's cells: of this column, from 1. */
	column(part: string, at: number): Promise<string[]> {
		return this.page.locator(`#${part} tbody tr > :nth-child(${at})`).allTextContents();
	}

	async close(): Promise<void> {
		await this.context.close();
	}
}

const AXE: readonly [string] = [readFileSync(Bun.resolveSync("axe-core/axe.min.js", import.meta.dir), "utf8")];
