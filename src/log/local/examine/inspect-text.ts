import { asciiJson } from "../../../runtime/report-text.ts";
import type { InspectedRecord, SegmentEnd, SegmentPart, SegmentStart } from "./inspect.ts";

/** How the parts of a segment are shown, each on a line of its own. */
export interface InspectFormat {
	line(part: SegmentPart): string;
}

/** For programs: one object a line. */
export const JSON_LINES: InspectFormat = { line: asciiJson };

/** For people: sentences about the file, and a line of columns for each record. */
export const TEXT_LINES: InspectFormat = {
	line(part) {
		switch (part.part) {
			case "segment":
				return `${startLine(part)}\n${COLUMNS.join(" ")}`;
			case "record":
				return recordLine(part);
			case "damage":
				return `damage: no record can be read from byte ${part.start} to ${part.end}`;
			case "end":
				return endLine(part);
		}
	},
};

const COLUMNS = ["offset", "bytes", "lsn", "seq", "time", "kind", "flags", "host", "upstreamSeq", "ops", "says"];

function startLine(start: SegmentStart): string {
	const { file, epoch, firstLsn, firstSeq, previousFirstLsn, stateLsn, stateRecords, created } = start;
	const before = previousFirstLsn === 0 ? "no segment before it" : `after the segment of lsn ${previousFirstLsn}`;
	const state = stateRecords === 0 ? "no state" : `${stateRecords} records of the log's state from lsn ${stateLsn} on`;
	return `${file}: epoch ${epoch}, from lsn ${firstLsn} and seq ${firstSeq} on, ${before}, made ${created}, ${state}`;
}

function recordLine(record: InspectedRecord): string {
	const { offset, bytes, lsn, seq, time, kind, flags, host, upstreamSeq, ops, says } = record;
	const columns = [offset, bytes, lsn, seq, time, kind, flags.join("+") || "-", host, upstreamSeq, ops];
	return `${columns.join(" ")} ${typeof says === "string" ? plain(says) : asciiJson(says)}`;
}

function endLine({ dataEnd, records, tailBytes, footer }: SegmentEnd): string {
	const end = `end: ${records} records, up to byte ${dataEnd}`;
	const tail = tailBytes === 0 ? "" : `; ${tailBytes} bytes after them are no record: torn, or not written yet`;
	const told =
		footer === null
			? "no footer: it is still written to, or a crash ended it, or the footer is damaged"
			: `a footer: up to lsn ${footer.lastLsn} and seq ${footer.lastSeq}, before ${footer.endTime}, ${footer.entries} entries in its index`;
	return `${end}${tail}; ${told}`;
}

/** The text itself if it is printable ASCII without spaces, else in quotes. */
function plain(text: string): string {
	return /^[!-~]+$/.test(text) ? text : asciiJson(text);
}
