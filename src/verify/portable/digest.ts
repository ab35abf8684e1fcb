const digest = new Uint8Array(32);

/**
 * SHA-256. Returns memory that the next call overwrites, so the digest must be used at once. A commit takes some fifty digests.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
	Bun.SHA256.hash(bytes, digest);
	return digest;
}
