/** A backup can't be made, or is not one that can be restored. The message says why. */
export class BackupError extends Error {
	override readonly name = "BackupError";
}
