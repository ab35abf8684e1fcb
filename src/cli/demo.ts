import { Command, InvalidArgumentError } from "commander";
import { type CommandContext, Failed } from "./command.ts";

interface DemoCommandOptions {
	rate: number;
	seconds?: number;
	relay?: string;
	open: boolean;
}

/** No timer waits for more seconds than two million. */
const NUMBER_MAX = 1_000_000;
/** What opens a page in the browser, by platform. */
const OPENERS: Readonly<Record<string, string>> = { linux: "xdg-open", darwin: "open" };

/** The command `demo`, which shows the relay at work on a synthetic network, offline. */
export function demoCommand(context: CommandContext): Command {
	return new Command("demo")
		.description("show the relay at work: a synthetic network, a relay and a consumer, offline, until Ctrl-C")
		.option("--rate <messages>", "messages a second", parseNumber, 200)
		.option("--seconds <seconds>", "end after this time", parseNumber)
		.option("--relay <command>", "the command that starts the relay (default: this program)")
		.option("--open", "open the relay's dashboard in the browser", false)
		.action((options: DemoCommandOptions) => demo(context, options));
}

async function demo({ output }: CommandContext, { rate, seconds, relay, open }: DemoCommandOptions): Promise<void> {
	// No other command needs the synthetic network.
	const { DemoFailed, runDemo } = await import("../sim/demo.ts");
	const ending = new AbortController();
	for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => ending.abort());
	const onDashboard = (url: string): void => {
		const opener = OPENERS[process.platform];
		if (open && opener !== undefined && Bun.which(opener) !== null)
			Bun.spawn([opener, url], { stdio: ["ignore", "ignore", "ignore"] });
	};
	const durationMs = seconds === undefined ? null : 1000 * seconds;
	const line = (text: string): void => void output.line(text);
	try {
		await runDemo({
			command: relay?.split(" ") ?? ownServe(),
			rate,
			durationMs,
			signal: ending.signal,
			line,
			onDashboard,
		});
	} catch (error) {
		throw error instanceof DemoFailed ? new Failed(error.message) : error;
	}
}

/** The command line that runs this program's relay: the binary itself, or the runtime with the sources. */
function ownServe(): string[] {
	const isCompiled = import.meta.path.startsWith("/$bunfs/");
	return isCompiled ? [process.execPath, "serve"] : [process.execPath, Bun.main, "serve"];
}

function parseNumber(text: string): number {
	const value = Number(text);
	if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text) && value > 0 && value <= NUMBER_MAX) return value;
	throw new InvalidArgumentError(`expected a number above 0, up to ${NUMBER_MAX}`);
}
