import { cidOfText } from "./blocks.ts";
import type { SimClock } from "./clock.ts";
import { tidOf } from "./clock.ts";
import { makeDidPlc } from "./keys.ts";
import type { Rng } from "./rng.ts";

/** Collections in about the proportions of the live network. */
const COLLECTION_WEIGHTS = {
	"app.bsky.feed.like": 50,
	"app.bsky.feed.post": 22,
	"app.bsky.graph.follow": 16,
	"app.bsky.feed.repost": 12,
};

export type SimCollection = keyof typeof COLLECTION_WEIGHTS;

const WORDS =
	"the a standpipe riser water hose keeps under pressure every floor river stone evening light coffee morning train über café never always".split(
		" ",
	);

export function drawCollection(rng: Rng): SimCollection {
	return rng.weighted(COLLECTION_WEIGHTS);
}

function sentence(rng: Rng, words: number): string {
	return Array.from({ length: words }, () => rng.pick(WORDS)).join(" ");
}

/** A link card, as posts embed one. */
function link(rng: Rng): Record<string, unknown> {
	const uri = `https://example.com/${rng.text(24, "abcdefghijklmnopqrstuvwxyz")}`;
	return {
		$type: "app.bsky.embed.external",
		external: { uri, title: sentence(rng, 8), description: sentence(rng, 25) },
	};
}

function subject(rng: Rng, clock: SimClock): { cid: string; uri: string } {
	const rkey = tidOf(clock.nowMs() * 1000 - rng.uint32(), rng.int(1024));
	return { cid: cidOfText(rkey).$link, uri: `at://${makeDidPlc(rng)}/app.bsky.feed.post/${rkey}` };
}

/** A record body as applications write it. */
export function makeRecord(collection: SimCollection, rng: Rng, clock: SimClock): Record<string, unknown> {
	const common = { $type: collection, createdAt: clock.datetime() };
	switch (collection) {
		case "app.bsky.feed.post": {
			const text = sentence(rng, 4 + rng.int(40));
			const reply = rng.int(2) === 0 ? { reply: { parent: subject(rng, clock), root: subject(rng, clock) } } : {};
			const embed = rng.int(2) === 0 ? { embed: link(rng) } : {};
			return { ...common, ...reply, ...embed, langs: ["en"], text };
		}
		case "app.bsky.graph.follow":
			return { ...common, subject: makeDidPlc(rng) };
		case "app.bsky.feed.like":
		case "app.bsky.feed.repost":
			return { ...common, subject: subject(rng, clock) };
	}
}
