import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/sim/relay-process.ts";
import { findPostgres, type PostgresPrograms } from "./postgres-programs.ts";
import { SmallDisk } from "./small-disk.ts";

const START_MS_MAX = 240_000;
const POLL_MS = 10;
const PASSWORD = "only-for-the-simulation";
const SUPERUSER = "postgres";

/** States of processes. Nobody may have asked yet how a process ended: then it is a zombie, and has no memory any more. */
const GONE = [null, "Z", "X"];
const STOPPED = ["T", ...GONE];

/** Only what tests need differs from PostgreSQL's own settings. Above all it syncs. */
const SETTINGS = [
	"listen_addresses=127.0.0.1",
	"unix_socket_directories=",
	"max_connections=50",
	"shared_buffers=32MB",
	// In the data directory, so that a server that was killed leaves nothing elsewhere.
	"dynamic_shared_memory_type=mmap",
];

/** Rows only, a line each, and the server's codes in messages. */
const PSQL_FLAGS = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"];

/**
 * A shell that waits until its standard input ends, which is when `stop` is called or the test's process is gone, even by `kill -9`.
 * Then it ends the server, frozen or not, and removes its folder ($1).
 */
const LEASH = `
read -r line
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && grep -qa -- "$1/data" "/proc/$pid/cmdline" 2>/dev/null; then
	kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
	kill -QUIT "$pid"
	for try in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
	kill -KILL "$pid" 2>/dev/null
fi
for disk in "$1"/disks/*; do [ -d "$disk" ] && umount -l "$disk"; done
rm -rf "$1"
`;

/** A database of a server, and the role that owns it. Both have the same name. */
export interface PostgresDatabase {
	name: string;
	url: string;
	/** The disk that its tables are on; null if that is the server's own. */
	disk: SmallDisk | null;
}

/**
 * A real PostgreSQL server on a free port of loopback, with its own data in a temporary folder. It ends and its folder goes when `stop`
 * is called, and also when the test's process is gone for any reason. The machine's own servers are not touched.
 */
export class PostgresServer {
	readonly port: number;
	readonly #programs: PostgresPrograms;
	/** Everything that it writes is below this. */
	readonly folder: string;
	readonly #leash: ChildProcess;
	#postmaster: ChildProcess | null = null;
	#databases = 0;
	#copies = 0;

	private constructor(programs: PostgresPrograms, port: number) {
		this.#programs = programs;
		this.port = port;
		this.folder = mkdtempSync(join(tmpdir(), "standpipe-postgres-"));
		mkdirSync(join(this.folder, "disks"));
		this.#give(this.folder);
		// Detached, so that Ctrl-C in a terminal does not end it before it has cleaned up.
		this.#leash = spawn("sh", ["-c", LEASH, "leash", this.folder], {
			stdio: ["pipe", "ignore", "ignore"],
			detached: true,
		});
	}

	/** Makes a server and starts it. @throws {Error} with the server's log if it can't be started */
	static async start(programs: PostgresPrograms): Promise<PostgresServer> {
		const server = new PostgresServer(programs, freePort());
		try {
			await server.#makeCluster();
			await server.start();
		} catch (error) {
			await server.stop();
			throw error;
		}
		return server;
	}

	/** Whether it was started, and not killed since. */
	get isRunning(): boolean {
		return this.#postmaster !== null;
	}

	/** Starts it again after `kill`, with the data that it has, and waits until it takes connections. */
	async start(): Promise<void> {
		const log = openSync(this.#logPath, "a");
		const child = spawn(
			join(this.#programs.bin, "postgres"),
			["-D", this.#data, "-p", String(this.port), ...SETTINGS.flatMap((setting) => ["-c", setting])],
			{ ...this.#programs.user, cwd: this.folder, stdio: ["ignore", log, log], detached: true },
		);
		closeSync(log);
		child.unref();
		this.#postmaster = child;
		const giveUpAtMs = Date.now() + START_MS_MAX;
		while (!(await this.#answers())) {
			if (child.exitCode !== null || child.signalCode !== null || Date.now() > giveUpAtMs)
				throw new Error(`PostgreSQL has not started:\n${readFileSync(this.#logPath, "utf8")}`);
			await Bun.sleep(POLL_MS);
		}
	}

	/**
	 * Makes an empty database, with a role of its own that owns it.
	 *
	 * @param diskBytes puts its tables on a disk of this size; it must be at least 16 MiB. `SmallDisk.isAllowed` must hold.
	 */
	async newDatabase(diskBytes: number | null = null): Promise<PostgresDatabase> {
		const name = `index_${++this.#databases}`;
		const disk = diskBytes === null ? null : this.#mount(name, diskBytes);
		if (disk !== null) await this.sql(`CREATE TABLESPACE ${name} LOCATION '${join(disk.path, "tables")}'`);
		await this.sql(
			`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`,
			`CREATE DATABASE ${name} OWNER ${name}${disk === null ? "" : ` TABLESPACE ${name}`}`,
		);
		return { name, url: this.#url(name, name), disk };
	}

	/**
	 * Executes statements as the superuser, each in a transaction of its own. Returns the rows of all, a line each, with `|` between
	 * columns.
	 *
	 * @throws {Error} with what the server says
	 */
	sql(...statements: string[]): Promise<string[]> {
		// An administrator's statements write also while everybody else may only read.
		return this.#psql(this.#url(SUPERUSER, "postgres"), statements, "-c default_transaction_read_only=off");
	}

	/** The same in one of the tests' databases, as the role that owns it. */
	sqlIn({ url }: Pick<PostgresDatabase, "url">, ...statements: string[]): Promise<string[]> {
		return this.#psql(url, statements);
	}

	/** Ends all its processes at once, by SIGKILL, as a power cut of its machine would. */
	async kill(): Promise<void> {
		const { promise: gone, resolve } = Promise.withResolvers<void>();
		this.#postmaster?.once("exit", () => resolve());
		const pids = await this.#stopAll();
		for (const pid of pids) signal(pid, "SIGKILL");
		// The next start needs them gone, since they share memory.
		await gone;
		await untilStates(pids, GONE);
		this.#postmaster = null;
	}

	/** Stops all its processes, as on a machine that hangs. The system still takes connections for it, and nobody answers. */
	async freeze(): Promise<void> {
		await this.#stopAll();
	}

	/** Lets its processes run again. */
	thaw(): void {
		for (const pid of [...this.#children(), this.#pid]) signal(pid, "SIGCONT");
	}

	/** Lets transactions only read, from their next one on, in sessions that are there too; as some services do when the disk is full. */
	async setReadOnly(isReadOnly: boolean): Promise<void> {
		const [before] = await this.sql("SELECT pg_conf_load_time()");
		await this.sql(
			`ALTER SYSTEM SET default_transaction_read_only = ${isReadOnly ? "on" : "off"}`,
			"SELECT pg_reload_conf()",
		);
		while ((await this.sql("SELECT pg_conf_load_time()"))[0] === before) await Bun.sleep(POLL_MS);
	}

	/** Ends all sessions in a database, as an administrator would. Returns how many there were. */
	async terminateSessions({ name }: PostgresDatabase): Promise<number> {
		const ended = await this.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
		return ended.length;
	}

	/** Locks a table of a database in a session of the superuser's, until the returned function is called. */
	async holdLock({ name }: PostgresDatabase, table: string): Promise<() => Promise<void>> {
		const session = spawn(join(this.#programs.bin, "psql"), [...PSQL_FLAGS, "-d", this.#url(SUPERUSER, name)], {
			...this.#programs.user,
			cwd: this.folder,
			stdio: ["pipe", "pipe", "inherit"],
		});
		const ended = once(session, "exit");
		session.stdin.write(`BEGIN;\nLOCK TABLE ${table};\nSELECT 'locked';\n`);
		await Promise.race([once(session.stdout, "data"), ended]);
		if (session.exitCode !== null) throw new Error(`the table ${table} can't be locked`);
		return async () => {
			session.stdin.end();
			await ended;
		};
	}

	/** Makes it answer again after any of the faults above. */
	async heal(): Promise<void> {
		if (this.#postmaster === null) await this.start();
		else this.thaw();
		await this.setReadOnly(false);
	}

	/** Ends it and removes its folder. */
	async stop(): Promise<void> {
		const { promise: gone, resolve } = Promise.withResolvers<void>();
		this.#leash.once("exit", () => resolve());
		this.#leash.stdin?.end();
		if (this.#leash.exitCode === null) await gone;
	}

	/**
	 * Kills the server, copies its data, and starts it again. So the copy is what a standby has that got no more after this.
	 *
	 * @returns kills it again and starts it with the copy, as if the standby took over
	 */
	async copyData(): Promise<() => Promise<void>> {
		const copy = join(this.folder, `copy-${++this.#copies}`);
		await this.kill();
		// With the owners of the files, which the server insists on.
		const [code] = await once(spawn("cp", ["-a", this.#data, copy], { stdio: "inherit" }), "exit");
		if (code !== 0) throw new Error(`${this.#data} could not be copied`);
		await this.start();
		return async () => {
			await this.kill();
			await rm(this.#data, { recursive: true });
			await rename(copy, this.#data);
			await this.start();
		};
	}

	get #data(): string {
		return join(this.folder, "data");
	}

	get #logPath(): string {
		return join(this.folder, "log");
	}

	get #pid(): number {
		const pid = this.#postmaster?.pid;
		if (pid === undefined) throw new Error("PostgreSQL does not run");
		return pid;
	}

	#url(role: string, database: string): string {
		return `postgres://${role}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
	}

	async #makeCluster(): Promise<void> {
		const passwordFile = join(this.folder, "password");
		writeFileSync(passwordFile, PASSWORD);
		this.#give(passwordFile);
		await this.#run("initdb", [
			...["-D", this.#data, "-U", SUPERUSER, "-A", "scram-sha-256", `--pwfile=${passwordFile}`],
			...["-E", "UTF8", "--locale=C"],
		]);
	}

	#mount(name: string, bytes: number): SmallDisk {
		const path = join(this.folder, "disks", name);
		mkdirSync(path);
		const disk = SmallDisk.mount(bytes, path);
		if (disk === null) throw new Error("a disk can't be mounted");
		mkdirSync(join(path, "tables"));
		this.#give(join(path, "tables"));
		return disk;
	}

	#give(path: string): void {
		const { user } = this.#programs;
		if (user !== null) chownSync(path, user.uid, user.gid);
	}

	async #answers(): Promise<boolean> {
		try {
			await this.sql("SELECT 1");
			return true;
		} catch {
			return false;
		}
	}

	async #psql(url: string, statements: readonly string[], options = ""): Promise<string[]> {
		const commands = statements.flatMap((statement) => ["-c", statement]);
		const out = await this.#run("psql", [...PSQL_FLAGS, "-d", url, ...commands], { PGOPTIONS: options });
		return out.split("\n").filter((line) => line !== "");
	}

	/** Runs a program of PostgreSQL's to its end. */
	async #run(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
		const child = spawn(join(this.#programs.bin, program), args, {
			...this.#programs.user,
			cwd: this.folder,
			env: { ...process.env, LC_ALL: "C", ...env },
			stdio: ["ignore", "pipe", "pipe"],
		});
		const { promise: exited, resolve, reject } = Promise.withResolvers<number | null>();
		child.once("error", reject);
		child.once("close", resolve);
		let out = "";
		let complaint = "";
		child.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
		child.stderr.on("data", (bytes: Buffer) => (complaint += bytes.toString()));
		const code = await exited;
		if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaint}`);
		return out;
	}

	/** Stops the postmaster, then its children, so that no new one is missed. Returns the pids of all. */
	async #stopAll(): Promise<number[]> {
		const postmaster = this.#pid;
		signal(postmaster, "SIGSTOP");
		await untilStates([postmaster], STOPPED);
		const children = this.#children();
		for (const pid of children) signal(pid, "SIGSTOP");
		await untilStates(children, STOPPED);
		return [postmaster, ...children];
	}

	#children(): number[] {
		const list = readFileSync(`/proc/${this.#pid}/task/${this.#pid}/children`, "utf8").trim();
		return list === "" ? [] : list.split(" ").map(Number);
	}
}

/** Sends a signal to a process, which may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
	try {
		process.kill(pid, name);
	} catch (error) {
		if (!(error instanceof Error) || !("code" in error) || error.code !== "ESRCH") throw error;
	}
}

/** Waits until the state of each process is one of these. */
async function untilStates(pids: readonly number[], states: readonly (string | null)[]): Promise<void> {
	while (pids.some((pid) => !states.includes(stateOf(pid)))) await Bun.sleep(POLL_MS);
}

/** The letter of a process's state in /proc; null if there is no such process. */
function stateOf(pid: number): string | null {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		return stat.slice(stat.lastIndexOf(")") + 2)[0] ?? null;
	} catch {
		return null;
	}
}

/**
 * Makes and starts a server.
 * @throws {Error} if there is no PostgreSQL: ask `findPostgres` before, or test in `describeWithPostgres`
 */
export function startPostgres(): Promise<PostgresServer> {
	const programs = findPostgres();
	if (typeof programs === "string") throw new Error(programs);
	return PostgresServer.start(programs);
}

let shared: Promise<PostgresServer> | null = null;

/**
 * The server that the tests of this process share. It starts with the first call. Tests that do something to the server itself start
 * their own.
 *
 * @throws {Error} as `startPostgres`
 */
export function sharedPostgres(): Promise<PostgresServer> {
	shared ??= startPostgres();
	return shared;
}
