import addCompletion from "@bomb.sh/tab/commander";
import { Command, CommanderError } from "commander";
import { masked } from "../observe/masking.ts";
import { LineOutput, OutputFailed, type ReportOutput } from "../runtime/line-output.ts";
import { VERSION } from "../version.ts";
import { backupCommand, restoreCommand } from "./backup.ts";
import { benchCommand } from "./bench.ts";
import { checkCommand } from "./check.ts";
import { type CommandContext, EXIT, Failed, Misuse } from "./command.ts";
import { compareCommand } from "./compare.ts";
import { demoCommand } from "./demo.ts";
import { healthCommand } from "./health.ts";
import { hostsCommand } from "./hosts.ts";
import { indexCommand } from "./index-copy.ts";
import { logCommand } from "./log.ts";
import { migrateCommand } from "./migrate.ts";
import { serveCommand } from "./serve.ts";
import { whyCommand } from "./why.ts";

/** Every command, in the order of the help text. */
const COMMANDS = [
	...[serveCommand, demoCommand, healthCommand, hostsCommand, whyCommand, checkCommand, compareCommand, logCommand],
	...[indexCommand, backupCommand, restoreCommand, migrateCommand, benchCommand],
] as const;

const COMPLETION = "completion";

/** The command that is meant if none is named. */
const DEFAULT_COMMAND = "serve";

/**
 * Runs the command that the arguments name, and ends the process unless the command goes on running.
 * @param args the command line after the program's name
 */
export async function runCommandLine(
	args: readonly string[],
	env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
	const lines = new LineOutput();
	const context = {
		env,
		output: reportOutput(lines),
		complain: (text: string) => void process.stderr.write(`${masked(text)}\n`),
	};
	const code = await run(args, context);
	lines.flush();
	if (code !== null) process.exit(code);
}

/**
 * Runs a command.
 * @returns the code to exit with; null if the command goes on running
 */
export async function run(
	args: readonly string[],
	surroundings: Omit<CommandContext, "exitWith">,
): Promise<number | null> {
	const { complain } = surroundings;
	let code: number | null = EXIT.done;
	const program = createProgram({ ...surroundings, exitWith: (wanted) => (code = wanted) });
	const [first = DEFAULT_COMMAND] = args;
	const isNamed = !first.startsWith("-") || OWN_OPTIONS.has(first);
	try {
		await program.parseAsync(isNamed && args.length > 0 ? [...args] : [DEFAULT_COMMAND, ...args], { from: "user" });
		return code;
	} catch (error) {
		if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused;
		const isForeseen = error instanceof Misuse || error instanceof Failed || error instanceof OutputFailed;
		if (!isForeseen) throw error;
		complain(error.message);
		return error instanceof Misuse ? EXIT.misused : EXIT.failed;
	}
}

/** Options of the program itself, before any command. */
const OWN_OPTIONS = new Set(["--help", "-h", "--version"]);

function createProgram(context: CommandContext): Command {
	const program = new Command("standpipe")
		.description(`standpipe ${VERSION}: an AT Protocol relay`)
		.version(VERSION, "--version")
		.usage("[command]")
		.enablePositionalOptions()
		.addHelpText("after", "\nWithout a command it runs the relay. `standpipe serve --help` shows every setting.");
	for (const create of COMMANDS) program.addCommand(create(context));
	addCompletion(program, { completionCommandName: COMPLETION });
	program.commands
		.find((command) => command.name() === COMPLETION)
		?.description("print a completion script for a shell");
	quietlyExit(program, context);
	return program;
}

/** Makes every command throw instead of ending the process, and write where the program writes. */
function quietlyExit(command: Command, context: CommandContext): void {
	command.exitOverride();
	command.showHelpAfterError("(--help shows how it is used)");
	command.configureOutput({
		writeOut: (text) => context.output.line(text.trimEnd()),
		writeErr: (text) => context.complain(text.trimEnd()),
	});
	for (const sub of command.commands) quietlyExit(sub, context);
}

function reportOutput(lines: LineOutput): ReportOutput {
	return {
		line(text) {
			lines.line(text);
			return lines.flush();
		},
		status: (text) => lines.status(text),
		isTerminal: process.stdout.isTTY,
	};
}
