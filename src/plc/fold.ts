import { accept, type DidState } from "./chain.ts";
import { didsNamed, type ExportLine, type LineText, readLine } from "./line.ts";
import { readOperation } from "./operation.ts";
import { castsDoubt, Refusal } from "./refusal.ts";
import type { RotationKeys } from "./rotation-keys.ts";

/** A line can't be of a later time than the present, but for clocks that differ. */
export const FUTURE_MS_MAX = 5 * 60_000;
/**
 * Nor can it be older than what the mirror was complete up to when it came. A directory gives out some operations late: by so much
 * at most. An older one would make a recovery seem to have been in time.
 */
export const LATE_MS_MAX = 60 * 60_000;

/** A line as far as it could be read, and the DIDs that it is about. */
export interface ReceivedLine {
	dids: readonly string[];
	line: ExportLine | null;
	refusal: Refusal | null;
}

/** What a batch of lines makes of the states of its DIDs. */
export interface Folded {
	/** Those that changed. */
	states: DidState[];
	/** Operations accepted. */
	accepted: number;
	refusals: { did: string | null; refusal: Refusal }[];
}

export interface FoldContext {
	keys: RotationKeys;
	/** Milliseconds since 1970. */
	nowMs: number;
	/** `Progress.completeUntilMs` before these lines. */
	completeUntilMs: number;
}

/** Reads lines, in the order in which they came. Lines of kinds that this relay does not know are left out. */
export function readLines(texts: readonly LineText[]): ReceivedLine[] {
	const lines: ReceivedLine[] = [];
	for (const text of texts) {
		try {
			const line = readLine(text);
			if (line !== null) lines.push({ dids: [line.did], line, refusal: null });
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			lines.push({ dids: didsNamed(text), line: null, refusal: error });
		}
	}
	return lines;
}

/**
 * Applies lines to the states of their DIDs. A line that is refused changes no state. It may leave the mirror in doubt about a
 * known DID, for which it does not answer then.
 *
 * @param before the known states of all DIDs of the lines
 */
export function foldLines(lines: readonly ReceivedLine[], before: Map<string, DidState>, context: FoldContext): Folded {
	const states = new Map(before);
	const changed = new Map<string, DidState>();
	const folded: Folded = { states: [], accepted: 0, refusals: [] };
	const set = (state: DidState): void => {
		states.set(state.did, state);
		changed.set(state.did, state);
	};
	for (const { dids, line, refusal } of lines) {
		const result = line === null ? refusal : outcome(line, states.get(line.did) ?? null, context);
		if (result === null) continue;
		if (!(result instanceof Refusal)) {
			set(result);
			folded.accepted++;
			continue;
		}
		folded.refusals.push({ did: dids[0] ?? null, refusal: result });
		if (!castsDoubt(result.reason)) continue;
		for (const did of dids) {
			const state = states.get(did);
			if (state?.isDoubtful === false) set({ ...state, isDoubtful: true });
		}
	}
	folded.states.push(...changed.values());
	return folded;
}

function outcome(line: ExportLine, state: DidState | null, context: FoldContext): DidState | Refusal {
	try {
		return next(line, state, context);
	} catch (error) {
		if (error instanceof Refusal) return error;
		throw error;
	}
}

function next(line: ExportLine, state: DidState | null, { keys, nowMs, completeUntilMs }: FoldContext): DidState {
	const { did, createdAtMs, cid } = line;
	const last = state?.chain.at(-1);
	// Before anything is computed: this is what most lines are if the export is read again.
	if (last !== undefined && createdAtMs < last.createdAtMs)
		throw new Refusal(state?.chain.some((link) => link.cid === cid) ? "repeated" : "outdated");
	if (createdAtMs > nowMs + FUTURE_MS_MAX) throw new Refusal("time-in-future", new Date(createdAtMs).toISOString());
	const operation = readOperation(line.operation);
	if (operation.cid !== cid) throw new Refusal("cid-mismatch", `it is ${operation.cid}`);
	if (state?.chain.some((link) => link.cid === cid)) throw new Refusal("repeated");
	if (createdAtMs < completeUntilMs - LATE_MS_MAX)
		throw new Refusal("time-too-early", new Date(createdAtMs).toISOString());
	return accept(did, state, operation, createdAtMs, keys);
}
