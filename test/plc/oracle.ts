import { join } from "node:path";
import type { PlcStep } from "../../src/sim/plc-operation.ts";
import { readNote } from "../network/tools.ts";

const SCRIPT = join(import.meta.dir, "..", "network", "plc-oracle.mjs");

export interface History {
	did: string;
	steps: PlcStep[];
}

/** What the reference library says about a history. */
export interface OracleVerdict {
	/** Whether it accepts each operation. */
	verdicts: boolean[];
	/** What the DID says in the end; null for a tombstone, or if nothing was accepted. */
	data: {
		verificationMethods: Record<string, string>;
		services: Record<string, { type: string; endpoint: string }>;
	} | null;
}

/** Path of the Node that the reference library runs on, or a sentence that says why it can't. */
export function oracleNode(): { node: string } | string {
	const node = readNote(".ready");
	return node === null
		? (readNote(".unavailable") ?? "its packages are absent: run test/network/install.sh")
		: { node };
}

/** Lets the reference library judge histories. */
export async function judge(node: string, histories: readonly History[]): Promise<OracleVerdict[]> {
	return (await ask(node, histories)) as OracleVerdict[];
}

/** Lets the reference library make histories, by the names that the script has. */
export async function make(node: string, names: readonly string[]): Promise<History[]> {
	return (await ask(
		node,
		names.map((name) => ({ make: name })),
	)) as History[];
}

async function ask(node: string, requests: readonly unknown[]): Promise<unknown[]> {
	const input = requests.map((request) => `${JSON.stringify(request)}\n`).join("");
	const child = Bun.spawn([node, SCRIPT], { stdin: new Blob([input]), stdout: "pipe", stderr: "pipe" });
	const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
	if ((await child.exited) !== 0) throw new Error(`the reference library failed: ${errors}`);
	const lines = output.split("\n").filter((line) => line !== "");
	if (lines.length !== requests.length) throw new Error(`${lines.length} answers for ${requests.length} requests`);
	return lines.map((line) => JSON.parse(line));
}
