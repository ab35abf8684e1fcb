import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { origin } from "../../config/setting.ts";
import { messageOf } from "../../observe/log-value.ts";
import { USER_AGENT } from "../../version.ts";
import { AdminClient } from "./admin-client.ts";
import { loadHostList } from "./host-list.ts";
import { takeIn } from "./intake.ts";
import { listRelay } from "./relay-listing.ts";
import { IntakeReport, type ReportOutput, reportHost } from "./report.ts";
import { type ListedHosts, SourceError } from "./source.ts";

const USAGE = `usage: standpipe hosts pull URL               add the hosts that the relay at URL lists
       standpipe hosts add --file FILE|URL    add the hosts of a list in JSON
       standpipe hosts add HOST…              add these hosts
       standpipe hosts list                   show all hosts of the running relay
  --relay URL             the running relay; without it, the one on this machine by RELAY_API_BIND
  --password-file FILE    its admin password, on the first line; without it, the first of
                          RELAY_ADMIN_PASSWORD or RELAY_ADMIN_PASSWORD_FILE
  --json                  one JSON object a line`;

/** Where the relay is asked if nothing else is said. */
export interface HostsDefaults {
	/** Origin of the public port of the relay on this machine. */
	relay: string;
	/** Null if there is none in the environment. */
	password: string | null;
}

interface HostsRequest {
	command: "pull" | "add" | "list";
	/** The other relay, or the list: a file or a URL. Null if hosts are named. */
	from: string | null;
	names: string[];
	client: { relay: string; password: string };
	json: boolean;
}

/** The command was given wrongly. */
class UsageError extends Error {}

/**
 * The command `hosts`, which works with a running relay, by its admin API. Returns the code to exit with: 0 if the list was read to its end,
 * also if hosts were refused; 1 if it was not, and then the same command goes on; 2 if it was asked for wrongly.
 *
 * @param complain writes a line for the operator
 */
export async function hostsCommand(
	args: string[],
	defaults: HostsDefaults,
	output: ReportOutput,
	complain: (text: string) => void,
): Promise<number> {
	try {
		await run(readRequest(args, defaults), output);
		return 0;
	} catch (error) {
		if (!(error instanceof SourceError) && !(error instanceof UsageError)) throw error;
		complain(error.message);
		return error instanceof UsageError ? 2 : 1;
	}
}

async function run({ command, from, names, client, json }: HostsRequest, output: ReportOutput): Promise<void> {
	const admin = new AdminClient({ ...client, source: command === "pull" && from !== null ? from : "the command line" });
	if (command === "list") {
		for await (const host of admin.hosts()) output.line(reportHost(host, json));
		return;
	}
	const report = new IntakeReport(json ? "json" : "text", output);
	const counts = await takeIn(
		command === "pull" && from !== null ? pull(from) : list(from, names),
		(hosts) => admin.addHosts(hosts),
		(soFar, refused) => report.step(soFar, refused),
	);
	report.done(counts);
}

function pull(relay: string): AsyncIterable<ListedHosts> {
	return listRelay({ relay, userAgent: USER_AGENT, signal: new AbortController().signal });
}

async function* list(from: string | null, names: readonly string[]): AsyncGenerator<ListedHosts> {
	yield { hostnames: from === null ? names : await loadHostList(from, USER_AGENT), omitted: 0 };
}

/** @throws UsageError */
function readRequest([command, ...args]: string[], defaults: HostsDefaults): HostsRequest {
	const { values, positionals } = parsed(args);
	const { relay, json, file } = values;
	const wanted = (["pull", "add", "list"] as const).find((name) => name === command);
	const [first, ...more] = positionals;
	const isAsked = {
		pull: first !== undefined && more.length === 0 && file === undefined,
		add: (first === undefined) !== (file === undefined),
		list: first === undefined && file === undefined,
	};
	if (wanted === undefined || !isAsked[wanted]) throw new UsageError(USAGE);
	const from = wanted === "pull" ? originOf(first ?? "", "URL") : (file ?? null);
	const client = {
		relay: relay === undefined ? defaults.relay : originOf(relay, "--relay"),
		password: passwordOf(values["password-file"], defaults),
	};
	return { command: wanted, from, names: positionals, client, json };
}

function parsed(args: string[]) {
	const options = {
		relay: { type: "string" },
		"password-file": { type: "string" },
		file: { type: "string" },
		json: { type: "boolean", default: false },
	} as const;
	try {
		return parseArgs({ args, options, strict: true, allowPositionals: true });
	} catch {
		throw new UsageError(USAGE);
	}
}

function originOf(text: string, name: string): string {
	try {
		return origin.parse(text);
	} catch {
		// The URL is not shown, since it may have a password in it.
		throw new UsageError(`${name}: expected ${origin.accepts}`);
	}
}

function passwordOf(file: string | undefined, { password }: HostsDefaults): string {
	if (file === undefined) {
		if (password !== null) return password;
		throw new UsageError("the admin password is missing: set RELAY_ADMIN_PASSWORD, or give --password-file FILE");
	}
	try {
		const [line = ""] = readFileSync(file, "utf8").split(/\r?\n/, 1);
		if (line !== "") return line;
	} catch (error) {
		throw new SourceError(`--password-file: ${messageOf(error)}`);
	}
	throw new SourceError("--password-file: its first line is empty");
}
