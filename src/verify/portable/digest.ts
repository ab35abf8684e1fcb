const digest = new Uint8Array(32);

/**
 * SHA-256. The digest lies in memory that the next call overwrites: a commit takes some fifty of them, and each is used at
 * once.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
	Bun.SHA256.hash(bytes, digest);
	return digest;
}
