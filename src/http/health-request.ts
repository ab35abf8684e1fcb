import { type Bind, localOrigin } from "../config/setting.ts";
import { inPlainWords } from "../net/outbound-fetch.ts";

const ANSWER_MS_MAX = 5_000;
/** A fault is a sentence or two. More than this comes from another server. */
const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Asks the relay that runs on this machine how it is.
 *
 * @param internal where its internal port listens
 * @param timeoutMs for the whole answer
 * @returns what is wrong, in words; null if nothing is. That nobody answers is something wrong too
 */
export async function askHealth(internal: Bind, timeoutMs = ANSWER_MS_MAX): Promise<string | null> {
	const url = `${localOrigin(internal)}/_readyz`;
	try {
		const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: "manual" });
		const text = await readText(response);
		return response.ok ? null : `${url} answers ${response.status}: ${messageOf(text)}`;
	} catch (error) {
		const plain = inPlainWords(error);
		return `${url} does not answer: ${plain instanceof Error ? plain.message : String(plain)}`;
	}
}

/** The beginning of the answer's body. */
async function readText(response: Response): Promise<string> {
	const decoder = new TextDecoder();
	let text = "";
	for await (const piece of response.body ?? []) {
		text += decoder.decode(piece, { stream: true });
		if (text.length > ANSWER_BYTES_MAX) break;
	}
	return text;
}

/** The `message` of an XRPC error, or the text as it is. */
function messageOf(text: string): string {
	try {
		const answer: unknown = JSON.parse(text);
		if (typeof answer === "object" && answer !== null && "message" in answer) return String(answer.message);
	} catch {
		// Not JSON: another server listens there.
	}
	return text.slice(0, 200);
}
