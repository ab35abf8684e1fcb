import { dnsNameFault } from "./dns-name.ts";
import { DATETIME_CHARS_MAX, DID_CHARS_MAX, NSID_CHARS_MAX, RKEY_CHARS_MAX } from "./limits.ts";

/**
 * Syntax of the identifiers in messages. Each check looks at the length first and takes time linear in it.
 */

const DID = /^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$/;
const DID_PLC = /^did:plc:[a-z2-7]{24}$/;
const DID_WEB_PREFIX = "did:web:";
const DID_WEB_LOCALHOST = /^localhost%3A[1-9][0-9]{0,4}$/;
const NSID =
	/^[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+\.[a-zA-Z][a-zA-Z0-9]{0,62}$/;
const RECORD_KEY = /^[A-Za-z0-9._:~-]+$/;
const TID = /^[2-7a-j][2-7a-z]{12}$/;
/** The characters of a TID before the clock id, which is the last 10 bits. */
const TID_TIME_CHARS = 11;
const DATETIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Whether `text` is a DID of any method, of at most 2,048 characters (rulebook 4). */
export function isDid(text: string): boolean {
	return text.length <= DID_CHARS_MAX && DID.test(text);
}

/**
 * The method of a DID if accounts may have such a DID, else null: did:plc with 24 characters, or did:web with a public hostname
 * and no path or port (rulebook 4).
 *
 * @param options.allowLocalhost accept `did:web:localhost%3APORT` too, and names below `.test`: for development only
 */
export function didMethod(did: string, options: { allowLocalhost: boolean }): "plc" | "web" | null {
	if (DID_PLC.test(did)) return "plc";
	if (!did.startsWith(DID_WEB_PREFIX)) return null;
	const name = did.slice(DID_WEB_PREFIX.length);
	// A port above 65535 matches the pattern, but is not valid in a URL.
	if (DID_WEB_LOCALHOST.test(name)) {
		return options.allowLocalhost && URL.canParse(`http://${decodeURIComponent(name)}`) ? "web" : null;
	}
	return dnsNameFault(name, options.allowLocalhost) === null ? "web" : null;
}

/**
 * Whether `text` is an NSID of at most 317 characters (rulebook 2.10). Its domain may be longer than 253 characters, as in the
 * shared test vectors.
 */
export function isNsid(text: string): boolean {
	return text.length <= NSID_CHARS_MAX && NSID.test(text);
}

/** Whether `text` is a record key: 1 to 512 of the allowed characters, but not `.` or `..` (rulebook 2.10). */
export function isRecordKey(text: string): boolean {
	return text.length <= RKEY_CHARS_MAX && RECORD_KEY.test(text) && text !== "." && text !== "..";
}

/** Whether `path` is a collection's NSID, one slash, and a record key (rulebook 2.10). */
export function isRecordPath(path: string): boolean {
	const slash = path.indexOf("/");
	// A second slash would be in the record key, which allows none.
	return slash > 0 && isNsid(path.slice(0, slash)) && isRecordKey(path.slice(slash + 1));
}

/** Whether `text` is a TID (rulebook 6). */
export function isTid(text: string): boolean {
	return TID.test(text);
}

/**
 * The time in a TID, in microseconds since 1970. `tid` must be a valid TID. Exact up to 2^53-1, in the year 2255. A later time
 * gives an inexact but still greater value.
 */
export function tidToMicroseconds(tid: string): number {
	let value = 0;
	for (let i = 0; i < TID_TIME_CHARS; i++) value = value * 32 + tidDigit(tid.charCodeAt(i));
	return value;
}

/** The value of a character of a TID: `2` to `7` are 0 to 5, `a` to `z` are 6 to 31. */
function tidDigit(code: number): number {
	return code < 0x61 ? code - 0x32 : code - 0x61 + 6;
}

/**
 * Whether `text` is a datetime (rulebook 2.13): RFC 3339 with upper-case `T` and `Z`, a zone other than -00:00, a date and time
 * that exist, and not before the year 0. Leap seconds are not allowed, as in both reference implementations.
 */
export function isDatetime(text: string): boolean {
	if (text.length > DATETIME_CHARS_MAX || !DATETIME.test(text)) return false;
	const year = Number(text.slice(0, 4));
	const month = twoDigits(text, 5);
	const day = twoDigits(text, 8);
	const hour = twoDigits(text, 11);
	const minute = twoDigits(text, 14);
	const second = twoDigits(text, 17);
	if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return false;
	if (hour > 23 || minute > 59 || second > 59) return false;
	return isZone(text, year === 0 && month === 1 && day === 1 ? hour * 60 + minute : null);
}

/**
 * @param minutesSinceYearZero the local time if the date is the first day of the year 0, else null. A zone further ahead of UTC
 * would make the time lie before the year 0.
 */
function isZone(text: string, minutesSinceYearZero: number | null): boolean {
	if (text.endsWith("Z")) return true;
	const hour = twoDigits(text, text.length - 5);
	const minute = twoDigits(text, text.length - 2);
	const minutes = hour * 60 + minute;
	if (hour > 23 || minute > 59) return false;
	if (text.charAt(text.length - 6) === "-") return minutes > 0;
	return minutesSinceYearZero === null || minutes <= minutesSinceYearZero;
}

function daysInMonth(year: number, month: number): number {
	if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
	return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function twoDigits(text: string, at: number): number {
	return (text.charCodeAt(at) - 0x30) * 10 + text.charCodeAt(at + 1) - 0x30;
}
