import type { PlcOperation } from "../../src/sim/plc-operation.ts";
import { cidOfOperation } from "../../src/sim/plc-operation.ts";

/** A line of a directory's export, before it is written as JSON. */
export interface PlcLine {
	did: string;
	operation: PlcOperation;
	cid: string;
	createdAtMs: number;
	seq: number;
}

export function lineOf(did: string, operation: PlcOperation, createdAtMs: number, seq: number): PlcLine {
	return { did, operation, cid: cidOfOperation(operation), createdAtMs, seq };
}

/** A line as a directory writes it: with a seq, or in the form that has none. */
export function textOf({ did, operation, cid, createdAtMs, seq }: PlcLine, form: "seq" | "time"): string {
	const createdAt = new Date(createdAtMs).toISOString();
	if (form === "time") return JSON.stringify({ did, operation, cid, nullified: false, createdAt });
	return JSON.stringify({ type: "sequenced_op", did, operation, cid, createdAt, seq });
}
