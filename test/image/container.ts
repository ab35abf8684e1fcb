import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Image } from "./image.ts";
import { defaultSeccomp } from "./seccomp.ts";

export interface ContainerOptions {
	image: Image;
	/** What is mounted at /data. It is made for the image's user if it does not exist. */
	dataFolder: string;
	env?: Record<string, string>;
	/** Whether programs may be loaded from /tmp. */
	isTmpExecutable?: boolean;
}

/**
 * A container of the image, as restricted as Kubernetes' strictest level: its user is not root and can't become it, it has no
 * capabilities, the root file system is read-only, /tmp is empty. It shares this machine's network.
 */
export class Container {
	readonly #id: string;
	readonly #bundle: string;
	readonly #user: string;
	readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
	/** All that it writes, to both streams. */
	readonly output: Promise<string>;

	constructor(options: ContainerOptions) {
		this.#bundle = mkdtempSync(join(tmpdir(), "standpipe-image-"));
		this.#user = options.image.config.User;
		this.#id = this.#bundle.slice(tmpdir().length + 1);
		writeFileSync(join(this.#bundle, "config.json"), JSON.stringify(specOf(options)));
		const run = `exec crun --cgroup-manager=disabled run --bundle "$0" "$1"`;
		this.#child = Bun.spawn(inOwnMounts(run, this.#bundle, this.#id), {
			stdin: "ignore",
			stdout: "pipe",
			stderr: "pipe",
		});
		const { stdout, stderr, exited } = this.#child;
		this.output = Promise.all([stdout.text(), stderr.text(), exited]).then(([out, err]) => out + err);
	}

	/** Its exit code, once it ends. */
	get exited(): Promise<number> {
		return this.#child.exited;
	}

	/** Whether it has ended. */
	get hasEnded(): boolean {
		return this.#child.exitCode !== null;
	}

	/** Runs a program in it, as its user, as a health check does. */
	async exec(command: readonly string[]): Promise<{ code: number; out: string }> {
		const run = `exec crun --cgroup-manager=disabled exec --user "$0" "$@"`;
		const child = Bun.spawn(inOwnMounts(run, this.#user, this.#id, ...command), {
			stdin: "ignore",
			stdout: "pipe",
			stderr: "inherit",
		});
		const [out, code] = await Promise.all([child.stdout.text(), child.exited]);
		return { code, out };
	}

	/** Stops it with the image's stop signal, and resolves with its exit code. */
	stop(signal: string): Promise<number> {
		Bun.spawnSync(["crun", "kill", this.#id, signal]);
		return this.#child.exited;
	}

	/** Ends it if it still runs, and removes what it left, but for the data. */
	async remove(): Promise<void> {
		if (!this.hasEnded) await this.stop("KILL");
		rmSync(this.#bundle, { recursive: true });
	}
}

/** crun refuses machines with cgroups of both versions, although it is told to use none. So it sees some of the second only. */
function inOwnMounts(script: string, ...args: string[]): string[] {
	const cgroups = "umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup";
	return ["unshare", "--mount", "sh", "-c", `${cgroups}; ${script}`, ...args];
}

/** What an OCI runtime is told of a container. */
function specOf({ image, dataFolder, env = {}, isTmpExecutable = true }: ContainerOptions): object {
	const { config, root } = image;
	const [uid = 0, gid = 0] = config.User.split(":").map(Number);
	if (mkdirSync(dataFolder, { recursive: true, mode: 0o750 }) !== undefined) chownSync(dataFolder, uid, gid);
	const tmpfs = (destination: string, ...options: string[]): object => {
		return { destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", ...options] };
	};
	return {
		ociVersion: "1.0.0",
		process: {
			terminal: false,
			user: { uid, gid },
			args: [...config.Entrypoint, ...config.Cmd],
			env: [...config.Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
			cwd: config.WorkingDir,
			capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
			noNewPrivileges: true,
		},
		root: { path: root, readonly: true },
		mounts: [
			{ destination: "/proc", type: "proc", source: "proc" },
			tmpfs("/dev", "mode=755", "size=64k"),
			tmpfs("/tmp", "nodev", "mode=1777", "size=64m", isTmpExecutable ? "exec" : "noexec"),
			{ destination: "/data", type: "bind", source: dataFolder, options: ["bind", "rw", "nosuid", "nodev"] },
		],
		linux: {
			namespaces: ["pid", "ipc", "uts", "mount"].map((type) => ({ type })),
			maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
			readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
			seccomp: defaultSeccomp() ?? undefined,
		},
	};
}
