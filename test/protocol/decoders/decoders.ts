import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { decodeFirst } from "@atcute/cbor";
import { readNote } from "../../network/tools.ts";

const ROOT = join(import.meta.dir, "..", "..", "..");
const NETWORK = join(ROOT, "test", "network");
/** The folder in which the native engine is built too. */
const BUILT = join(ROOT, "native", "target");

/** A decoder's result for a frame. */
export interface Opinion {
	/** Why it can't decode the frame. A consumer with this decoder would lose its connection. */
	error?: string;
	/** Why the message breaks the lexicon. A consumer with this decoder would lose the message. Only for decoders that check this. */
	invalid?: string;
}

/** A third party's decoder, as a consumer runs it. */
export interface Decoder {
	name: string;
	/** Why it can't run here; null if it can. */
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

interface CompiledDecoder {
	name: string;
	/** The folder of its source, next to this file. */
	folder: string;
	/** The command that compiles it. */
	build: readonly [tool: string, ...args: string[]];
	env: Readonly<Record<string, string>>;
	/** The compiled program. It answers with the reason why it can't decode a frame, or with an empty line. */
	program: string;
}

/** A decoder that is compiled here. On a machine without its language, only this decoder is skipped. */
function compiled({ name, folder, build, env, program }: CompiledDecoder): Decoder {
	return {
		name,
		unavailable: () => {
			if (Bun.which(build[0]) === null) return `there is no ${build[0]} here`;
			const cwd = join(import.meta.dir, folder);
			mkdirSync(BUILT, { recursive: true });
			const { exitCode, stderr } = Bun.spawnSync([...build], { cwd, env: { ...process.env, ...env } });
			return exitCode === 0 ? null : `it does not build: ${stderr.toString().trim().split("\n")[0]}`;
		},
		decode: async (frames) => (await ask([program], frames)).map((line) => (line === "" ? {} : { error: line })),
	};
}

const RUST_TARGET = join(BUILT, "rust-decoder");
const GO_PROGRAM = join(BUILT, "go-decoder");

export const DECODERS: readonly Decoder[] = [
	atcute,
	atproto,
	compiled({
		name: "serde_ipld_dagcbor, in Rust",
		folder: "rust",
		build: ["cargo", "build", "--release", "--locked", "--quiet"],
		env: { CARGO_TARGET_DIR: RUST_TARGET },
		program: join(RUST_TARGET, "release", "decoder"),
	}),
	compiled({
		name: "indigo, in Go",
		folder: "go",
		build: ["go", "build", "-o", GO_PROGRAM, "."],
		env: {},
		program: GO_PROGRAM,
	}),
];

/** Gives frames to a program, each after its length in four bytes, and returns its answer, which has a line for each frame. */
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
