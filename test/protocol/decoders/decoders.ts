import { join } from "node:path";
import { decodeFirst } from "@atcute/cbor";
import { readNote } from "../../network/tools.ts";

const ROOT = join(import.meta.dir, "..", "..", "..");
const NETWORK = join(ROOT, "test", "network");
const RUST = join(import.meta.dir, "rust");
const RUST_TARGET = join(ROOT, "native", "target", "decoder");

/** What a decoder says of a frame. */
export interface Opinion {
	/** Why it can't decode it: its user's connection ends here. */
	error?: string;
	/** Why the message breaks the lexicon: its user loses the message. Only of decoders that check this. */
	invalid?: string;
}

/** A decoder of others, as a consumer runs it. */
export interface Decoder {
	name: string;
	/** Why it can't run here; null where it can. */
	unavailable: () => string | null;
	decode: (frames: readonly Uint8Array[]) => Promise<Opinion[]>;
}

const atcute: Decoder = {
	name: "@atcute/cbor",
	unavailable: () => null,
	decode: async (frames) => frames.map(decodeByAtcute),
};

function decodeByAtcute(frame: Uint8Array): Opinion {
	try {
		const [header, rest] = decodeFirst(frame);
		const [payload, trailing] = decodeFirst(rest);
		if (typeof header !== "object" || typeof payload !== "object") return { error: "no two maps" };
		return trailing.length === 0 ? {} : { error: "something after the payload" };
	} catch (error) {
		return { error: String(error) };
	}
}

const atproto: Decoder = {
	name: "@atproto/sync",
	unavailable: () => {
		if (readNote(".ready") !== null) return null;
		return readNote(".unavailable") ?? "its packages are absent: run test/network/install.sh";
	},
	decode: async (frames) => {
		const node = readNote(".ready") ?? "node";
		const lines = await ask([node, join(NETWORK, "consumers", "atproto-frames.mjs")], frames);
		return lines.map((line) => JSON.parse(line) as Opinion);
	},
};

/** Built by the first test that asks for it, so that a machine without Rust only misses this one decoder. */
const rust: Decoder = {
	name: "serde_ipld_dagcbor, in Rust",
	unavailable: () => {
		if (Bun.which("cargo") === null) return "there is no Rust here";
		const { exitCode, stderr } = Bun.spawnSync(["cargo", "build", "--release", "--locked", "--quiet"], {
			cwd: RUST,
			env: { ...process.env, CARGO_TARGET_DIR: RUST_TARGET },
		});
		if (exitCode === 0) return null;
		if (process.env["STANDPIPE_TEST_NATIVE"] === "required") throw new Error(stderr.toString());
		return `it does not build: ${stderr.toString().split("\n")[0]}`;
	},
	decode: async (frames) => {
		const lines = await ask([join(RUST_TARGET, "release", "decoder")], frames);
		return lines.map((line) => (line === "" ? {} : { error: line }));
	},
};

export const DECODERS: readonly Decoder[] = [atcute, atproto, rust];

/** Gives frames to a program, each behind its length in four bytes, and returns its answer, which has a line for each. */
async function ask(command: string[], frames: readonly Uint8Array[]): Promise<string[]> {
	const input = frames.flatMap((frame) => {
		const length = Buffer.alloc(4);
		length.writeUInt32BE(frame.length);
		return [length, frame];
	});
	const child = Bun.spawn(command, { stdin: Buffer.concat(input), stdout: "pipe", stderr: "inherit" });
	const lines = (await new Response(child.stdout).text()).split("\n").slice(0, frames.length);
	if ((await child.exited) !== 0) throw new Error(`${command[0]} ended with ${child.exitCode}`);
	if (lines.length !== frames.length) throw new Error(`${command[0]} answered of ${lines.length} frames`);
	return lines;
}
