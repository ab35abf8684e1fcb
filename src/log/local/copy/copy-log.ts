// log/local/copy/: copies a log's files while a relay writes to them, and puts such a copy in the place of a log that is lost.

import { join } from "node:path";
import { Damage } from "../../../runtime/boundary.ts";
import type { LogNumbers } from "../../log.ts";
import { refuseFormat1 } from "../format-1.ts";
import { readLastUsed } from "../last-used.ts";
import type { LogFs } from "../log-fs.ts";
import { readLogId } from "../log-id.ts";
import { removeIfThere } from "../segment/new-file.ts";
import {
	listSegments,
	openIfThere,
	readSegmentHeader,
	type SegmentHeader,
	type SegmentId,
	segmentName,
} from "../segment/segment.ts";
import { type CopiedFile, copyFile } from "./copied-file.ts";
import { findLastEnd, type LastEnd } from "./last-end.ts";

/** The relay removes segments faster than they can be copied. */
export class CopyOvertaken extends Error {
	override readonly name = "CopyOvertaken";
}

export interface CopiedLog {
	/** The log's id, which is in no file of the copy. */
	readonly id: string;
	/** The segments, oldest first. */
	readonly files: readonly CopiedFile[];
	/** No record of the copy has a lower lsn, and from there on none is missing. */
	readonly firstLsn: number;
	/** Of the last record of the copy. */
	readonly last: LogNumbers;
	/** The greatest numbers that the relay may have given out when the copy ended. */
	readonly used: LogNumbers;
}

export interface LogCopyOptions {
	fs: LogFs;
	/** The log's folder. */
	from: string;
	/** A folder without files. */
	to: string;
	/** Called after each piece, with its bytes. */
	onBytes: (bytes: number) => void;
}

/** How often a copy looks for segments that were begun while it was copying, before it takes the last one. */
const CATCH_UP_ROUNDS = 5;
/** How often it begins anew because retention has removed what it was copying. */
const ATTEMPTS_MAX = 10;

/**
 * Copies a log as it is at one moment near the end of the copy: consecutive segments up to a last record that is published and durable.
 * In the log it changes nothing: it only has the last segment synced, so that no power cut can give its last numbers to other messages.
 * What retention removes meanwhile is missing at the copy's beginning. The last segment of the copy ends after a record and has no footer,
 * as after a crash. The file `last-used` is not copied, since a relay that goes on uses more numbers.
 *
 * @throws CopyOvertaken
 * @throws Damage if there is no log
 * @throws Error if the disk fails, or if the log has another format. A part of the copy may be left
 */
export function copyLog(options: LogCopyOptions): CopiedLog {
	const { fs, from, to } = options;
	refuseFormat1(fs, from);
	const id = readLogId(fs, from);
	if (id === null || listSegments(fs, from).length === 0) throw new Damage(`there is no log in ${from}`);
	const copy = new SegmentsCopy(options);
	const { last } = copy.copyAll();
	const used = readLastUsed(fs, from)?.numbers;
	fs.syncDirectory(to);
	return {
		id,
		files: copy.files,
		firstLsn: copy.firstLsn,
		last,
		used: { lsn: Math.max(last.lsn, used?.lsnMax ?? 0), seq: Math.max(last.seq, used?.seqMax ?? 0) },
	};
}

/** The segments that are copied by now: consecutive ones. */
class SegmentsCopy {
	readonly #options: LogCopyOptions;
	#copied: { id: SegmentId; file: CopiedFile }[] = [];

	constructor(options: LogCopyOptions) {
		this.#options = options;
	}

	get files(): CopiedFile[] {
		return this.#copied.map(({ file }) => file);
	}

	get firstLsn(): number {
		return this.#copied[0]?.id.firstLsn ?? 0;
	}

	/** Returns where the copy ends. */
	copyAll(): LastEnd {
		for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
			const last = this.#copySealed();
			const end = last === undefined ? null : this.#copyLast(last);
			if (end !== null) return end;
		}
		throw new CopyOvertaken(
			`the relay removes segments of ${this.#options.from} faster than they can be copied: give the log more time or space ` +
				"(RELAY_REPLAY_WINDOW, RELAY_REPLAY_BYTES), or copy it to a faster disk",
		);
	}

	/** Copies all segments but the last. Returns the last one. */
	#copySealed(): SegmentId | undefined {
		const { fs, from } = this.#options;
		for (let round = 1; ; round++) {
			const found = listSegments(fs, from);
			const last = this.#copied.at(-1)?.id.firstLsn;
			// If that one is gone, so may be others after it that were never seen.
			if (!found.some(({ firstLsn }) => firstLsn === last)) this.#drop();
			const copiedLsn = this.#copied.at(-1)?.id.firstLsn ?? 0;
			const pending = found.slice(0, -1).filter(({ firstLsn }) => firstLsn > copiedLsn);
			for (const id of pending) this.#copyWhole(id);
			if (pending.length === 0 || round === CATCH_UP_ROUNDS) return found.at(-1);
		}
	}

	/** Copies a segment as it is. If it gets its footer just now, the copy may have none: its records are found all the same. */
	#copyWhole(id: SegmentId): void {
		const file = this.#copy(id, (source) => this.#copyTo(id, source, this.#options.fs.sizeBytes(source)));
		if (file !== null) this.#copied.push({ id, file });
	}

	/** Copies the log's last segment, or the one that was the last a moment ago. Null if it is gone. */
	#copyLast(id: SegmentId): LastEnd | null {
		const { fs, from } = this.#options;
		let end: LastEnd | null = null;
		const file = this.#copy(id, (source, header) => {
			end = findLastEnd(fs, source, { id, header, used: readLastUsed(fs, from)?.numbers ?? null });
			fs.sync(source);
			return this.#copyTo(id, source, end.offset);
		});
		if (file === null) return null;
		this.#copied.push({ id, file });
		return end;
	}

	/** Lets a segment be copied. If it is gone by then, gives up what was copied of it and before it, and returns null. */
	#copy(id: SegmentId, copy: (source: number, header: SegmentHeader | null) => CopiedFile): CopiedFile | null {
		const { fs, from } = this.#options;
		const source = openIfThere(fs, from, id);
		if (source === null) {
			this.#drop();
			return null;
		}
		try {
			const header = readSegmentHeader(fs, source);
			const file = copy(source, header);
			if (this.#isThere(id, header)) return file;
		} finally {
			fs.close(source);
		}
		this.#remove(id);
		this.#drop();
		return null;
	}

	/** Whether the file with the segment's name is still the one with this header: retention may have given it to another segment. */
	#isThere(id: SegmentId, header: SegmentHeader | null): boolean {
		const { fs, from } = this.#options;
		const file = openIfThere(fs, from, id);
		if (file === null) return false;
		try {
			return readSegmentHeader(fs, file)?.epoch === header?.epoch;
		} finally {
			fs.close(file);
		}
	}

	#copyTo(id: SegmentId, source: number, end: number): CopiedFile {
		const { fs, to, onBytes } = this.#options;
		const name = segmentName(id);
		return { name, ...copyFile(fs, source, join(to, name), end, onBytes) };
	}

	/** Gives up all that was copied: a segment after it is gone, so the copy would have a hole. */
	#drop(): void {
		for (const { id } of this.#copied) this.#remove(id);
		this.#copied = [];
	}

	#remove(id: SegmentId): void {
		removeIfThere(this.#options.fs, join(this.#options.to, segmentName(id)));
	}
}
