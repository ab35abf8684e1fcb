import { Command, Option } from "commander";
import { readSecretFile, SecretFileError } from "../config/secret-file.ts";
import { localOrigin } from "../config/setting.ts";
import type { Config } from "../config/settings.ts";
import { AdminClient } from "../hosts/sources/admin-client.ts";
import { loadHostList } from "../hosts/sources/host-list.ts";
import { takeIn } from "../hosts/sources/intake.ts";
import { listRelay } from "../hosts/sources/relay-listing.ts";
import { IntakeReport, reportHost } from "../hosts/sources/report.ts";
import { type ListedHosts, SourceError } from "../hosts/sources/source.ts";
import { hideMoreSecrets } from "../observe/masking.ts";
import { printable } from "../runtime/report-text.ts";
import { USER_AGENT } from "../version.ts";
import { type CommandContext, Failed, Misuse, settingsOf } from "./command.ts";
import { relayUrl } from "./relay-url.ts";

interface HostsOptions {
	relay?: string;
	passwordFile?: string;
	json: boolean;
}

/**
 * The commands `hosts`, which work with a running relay, by its admin API. They end with 0 if the list was read to its end, also if hosts
 * were refused. If it was not, the same command goes on.
 */
export function hostsCommand(context: CommandContext): Command {
	const command = new Command("hosts").description("work with the hosts of a running relay, by its admin API");
	command.addCommand(
		withRelay("pull", "add the hosts that another relay lists")
			.argument("<url>", "the other relay", relayUrl("URL"))
			.action((from: string, options: HostsOptions) => add(context, options, from, pull(from))),
	);
	command.addCommand(
		withRelay("add", "add hosts by name, or those of a list in JSON")
			.argument("[host...]", "their names")
			.option("--file <file>", "the list: a file or a URL")
			.action((names: string[], options: HostsOptions & { file?: string }) => {
				const { file } = options;
				if ((names.length === 0) === (file === undefined))
					throw new Misuse("hosts add takes names of hosts, or --file FILE|URL");
				return add(context, options, "the command line", list(file ?? null, names));
			}),
	);
	command.addCommand(
		withRelay("list", "show all hosts of the relay").action(async (options: HostsOptions) => {
			const admin = new AdminClient({ ...(await clientOf(context, options)), source: "the command line" });
			await withSource(async () => {
				for await (const host of admin.hosts()) context.output.line(reportHost(host, options.json));
			});
		}),
	);
	return command;
}

function withRelay(name: string, description: string): Command {
	return new Command(name)
		.description(description)
		.option(
			"--relay <url>",
			"the running relay (without it: the one on this machine, by RELAY_API_BIND)",
			relayUrl("--relay"),
		)
		.addOption(
			new Option(
				"--password-file <file>",
				"its admin password, on the first line (without it: RELAY_ADMIN_PASSWORD, or RELAY_ADMIN_PASSWORD_FILE)",
			),
		)
		.option("--json", "print one JSON object a line", false);
}

/** @param source what the hosts' records in the relay are to say of where they came from */
async function add(
	context: CommandContext,
	options: HostsOptions,
	source: string,
	hosts: AsyncIterable<ListedHosts>,
): Promise<void> {
	const admin = new AdminClient({ ...(await clientOf(context, options)), source });
	const report = new IntakeReport(options.json ? "json" : "text", context.output);
	const step = report.step.bind(report);
	await withSource(async () => report.done(await takeIn(hosts, (some) => admin.addHosts(some), step)));
}

/** @throws Failed if a list or the relay can't be read */
async function withSource(work: () => Promise<void>): Promise<void> {
	try {
		await work();
	} catch (error) {
		throw error instanceof SourceError ? new Failed(printable(error.message)) : error;
	}
}

function pull(relay: string): AsyncIterable<ListedHosts> {
	return listRelay({ relay, userAgent: USER_AGENT, signal: new AbortController().signal });
}

async function* list(from: string | null, names: readonly string[]): AsyncGenerator<ListedHosts> {
	yield { hostnames: from === null ? names : await loadHostList(from, USER_AGENT), omitted: 0 };
}

/** The relay to ask, and its admin password. */
async function clientOf(context: CommandContext, { relay, passwordFile }: HostsOptions) {
	const { config } = settingsOf(context, []);
	return {
		relay: relay ?? localOrigin(config.apiBind),
		password: passwordFile === undefined ? ownPassword(config) : readPassword(passwordFile),
	};
}

function ownPassword(config: Config): string {
	const [password] = config.adminPasswords;
	if (password !== undefined) return password;
	throw new Misuse("the admin password is missing: set RELAY_ADMIN_PASSWORD, or give --password-file FILE");
}

/** The first line of a file. */
function readPassword(file: string): string {
	let password: string;
	try {
		[password = ""] = readSecretFile(file).split(/\r?\n/, 1);
	} catch (error) {
		if (error instanceof SecretFileError) throw new Failed(`--password-file: the file ${error.message}`);
		throw error;
	}
	if (password === "") throw new Failed("--password-file: its first line is empty");
	hideMoreSecrets([password]);
	return password;
}
