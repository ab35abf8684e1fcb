import { closeSync, openSync, readSync } from "node:fs";

/** Of a file with a secret. It is a few lines; more than this is another file. */
export const SECRET_FILE_BYTES_MAX = 100_000;

const FAULTS: Readonly<Record<string, string>> = {
	ENOENT: "does not exist",
	ENOTDIR: "does not exist",
	EACCES: "may not be read by this process: permission denied",
	EPERM: "may not be read by this process: permission denied",
	EISDIR: "is a folder, not a file",
	ELOOP: "is a circle of symbolic links",
	ENAMETOOLONG: "does not exist: no path is so long",
};

/** A file with a secret can't be used. The message follows a name of the file; it shows neither its path nor what is in it. */
export class SecretFileError extends Error {
	override readonly name = "SecretFileError";
	readonly isMissing: boolean;

	constructor(fault: string, isMissing = false) {
		super(fault);
		this.isMissing = isMissing;
	}
}

/**
 * The text of a file, without the newline at its end, which editors and `echo` add.
 * @throws SecretFileError if it can't be read, is empty, is larger than `SECRET_FILE_BYTES_MAX`, or is no text
 */
export function readSecretFile(path: string): string {
	const bytes = readBytes(path);
	if (bytes.length > SECRET_FILE_BYTES_MAX)
		throw new SecretFileError(`has more than ${SECRET_FILE_BYTES_MAX} bytes, so it is hardly the right one`);
	let text: string;
	try {
		text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
	} catch {
		throw new SecretFileError("is not text in UTF-8");
	}
	const secret = text.replace(/\r?\n$/, "");
	if (secret.trim() === "") throw new SecretFileError("is empty");
	if (secret.includes("\0")) throw new SecretFileError("is not text: it has a NUL character");
	return secret;
}

/** As many bytes as may be used, and one more if there are more: the path may be that of a device, which never ends. */
function readBytes(path: string): Buffer {
	const buffer = Buffer.alloc(SECRET_FILE_BYTES_MAX + 1);
	try {
		const file = openSync(path, "r");
		try {
			let length = 0;
			for (let read = -1; read !== 0 && length < buffer.length; length += read)
				read = readSync(file, buffer, length, buffer.length - length, null);
			return buffer.subarray(0, length);
		} finally {
			closeSync(file);
		}
	} catch (error) {
		const code = error instanceof Error && "code" in error ? String(error.code) : "";
		throw new SecretFileError(FAULTS[code] ?? `can't be read${code === "" ? "" : ` (${code})`}`, code === "ENOENT");
	}
}
