// Does with a frame what @atproto/sync does before it looks at the message: decodes it, and checks it against the lexicon. An
// exception in that would end the consumer's connection, again and again. A message that only breaks the lexicon would be skipped.
//
// Reads frames from the standard input, each after its length in four bytes, and writes a line of JSON for each.
import { isPlainObject } from "@atproto/lex-data";
import { com } from "../node_modules/@atproto/sync/dist/lexicons/index.js";
import { ensureChunkIsMessage } from "../node_modules/@atproto/xrpc-server/dist/stream/stream.js";

const METHOD = "com.atproto.sync.subscribeRepos";

function judge(frame) {
	try {
		const { header, body } = ensureChunkIsMessage(frame);
		const typed = isPlainObject(body) ? { ...body, $type: METHOD + header.t } : undefined;
		const result = com.atproto.sync.subscribeRepos.$message.safeParse(typed);
		return result.success ? {} : { invalid: String(result.reason?.message ?? result.reason) };
	} catch (error) {
		return { error: String(error) };
	}
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const input = Buffer.concat(chunks);
const lines = [];
for (let at = 0; at < input.length; ) {
	const start = at + 4;
	at = start + input.readUInt32BE(at);
	lines.push(JSON.stringify(judge(input.subarray(start, at))));
}
process.stdout.write(`${lines.join("\n")}\n`);
