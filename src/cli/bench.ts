import { Command } from "commander";
import { messageOf } from "../observe/log-value.ts";
import { grouped } from "../runtime/report-text.ts";
import type { EngineSpeed, SyncSpeed } from "../sim/machine-bench.ts";
import { type CommandContext, Failed } from "./command.ts";

/** The command `bench`, which measures on this machine what decides how much a relay can do. */
export function benchCommand({ output }: CommandContext): Command {
	return new Command("bench")
		.description("measure what decides how much a relay can do on this machine: verification and syncs of the disk")
		.option("--folder <folder>", "a folder on the disk of the log; nothing stays in it", ".")
		.option("--json", "print one JSON object a line", false)
		.action(async ({ folder, json }: { folder: string; json: boolean }) => {
			// No other command needs the synthetic network.
			const { measureDisk, measureEngines } = await import("../sim/machine-bench.ts");
			let disk: SyncSpeed;
			try {
				disk = measureDisk(folder);
			} catch (error) {
				throw new Failed(`--folder: ${messageOf(error)}`);
			}
			output.line(json ? JSON.stringify({ part: "sync", folder, ...disk }) : diskLine(disk, folder));
			for (const speed of await measureEngines())
				output.line(json ? JSON.stringify({ part: "verification", ...speed }) : engineLine(speed));
		});
}

function diskLine({ bytes, p50Ms, p99Ms }: SyncSpeed, folder: string): string {
	return `a sync of ${grouped(bytes)} bytes in ${folder}: ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms; each batch of messages waits for one`;
}

function engineLine({ engine, us, fault }: EngineSpeed): string {
	if (us === null) return `the ${engine} engine does not work here: ${fault}`;
	return `the ${engine} engine: ${grouped(Math.round(us))} µs a commit, so ${grouped(Math.floor(1_000_000 / us))} commits a second on each core`;
}
