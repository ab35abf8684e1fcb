/** No slot. */
export const NO_SLOT = -1;

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const DIGITS = new Int8Array(128).fill(-1);
for (let digit = 0; digit < ALPHABET.length; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;

/** A packed key has so many words of 30 bits. */
const WORDS = 4;
const WORD_CHARS = 6;
/** Digits of base 32 after the prefix of a key that can be packed. */
const PACKED_CHARS = WORDS * WORD_CHARS;
/** First word of a key that is kept as a string. */
const NOT_PACKED = -1;
const SLOTS_MIN = 64;

/**
 * Gives each key a slot, a small number, and keeps the slots in the order of use. The slots of removed keys are given out again. So values can be
 * kept in arrays of bytes.
 *
 * A key that is `prefix` and 24 digits of base 32, as most DIDs are, takes some 36 bytes and no object. Any other key takes a string and
 * two map entries.
 */
export class RecentKeys {
	readonly #prefix: string;
	/** Strangers choose the keys. Without this they could choose keys of one bucket. */
	readonly #seed = crypto.getRandomValues(new Int32Array(1))[0] ?? 0;
	#words = new Int32Array(WORDS * SLOTS_MIN);
	/** Each slot's next one in its bucket, or in the list of free slots. */
	#next = new Int32Array(SLOTS_MIN);
	#newer = new Int32Array(SLOTS_MIN);
	#older = new Int32Array(SLOTS_MIN);
	/** The first slot of each bucket. Their number is a power of two. */
	#buckets = new Int32Array(SLOTS_MIN).fill(NO_SLOT);
	#free = NO_SLOT;
	/** Slots that were ever given out. */
	#used = 0;
	#size = 0;
	#newest = NO_SLOT;
	#oldest = NO_SLOT;
	readonly #slotOfOther = new Map<string, number>();
	readonly #others = new Map<number, string>();
	/** The key that was found or added last, and its slot. The next question is often about it too. */
	#lastKey = "";
	#lastSlot = NO_SLOT;
	/** The key that was packed last. */
	readonly #packed = new Int32Array(WORDS);

	/** @param prefix of the keys that are packed */
	constructor(prefix: string) {
		this.#prefix = prefix;
	}

	get size(): number {
		return this.#size;
	}

	/** The slot that was used longest ago, or `NO_SLOT`. */
	get oldest(): number {
		return this.#oldest;
	}

	/** The slot of a key, or `NO_SLOT`. */
	find(key: string): number {
		if (this.#lastSlot !== NO_SLOT && key === this.#lastKey) return this.#lastSlot;
		const slot = this.#pack(key) ? this.#findPacked() : (this.#slotOfOther.get(key) ?? NO_SLOT);
		this.#lastKey = key;
		this.#lastSlot = slot;
		return slot;
	}

	/** Gives a slot to a key that has none. It becomes the one used last. */
	add(key: string): number {
		const isPacked = this.#pack(key);
		const slot = this.#take();
		if (isPacked) {
			this.#words.set(this.#packed, WORDS * slot);
			this.#link(slot);
		} else {
			this.#words[WORDS * slot] = NOT_PACKED;
			this.#slotOfOther.set(key, slot);
			this.#others.set(slot, key);
		}
		this.#size++;
		this.#append(slot);
		this.#lastKey = key;
		this.#lastSlot = slot;
		return slot;
	}

	/** Makes a slot the one that was used last. */
	touch(slot: number): void {
		if (slot === this.#newest) return;
		this.#unlinkFromOrder(slot);
		this.#append(slot);
	}

	/** Takes a slot back from its key. */
	remove(slot: number): void {
		this.#unlinkFromOrder(slot);
		if (this.#words[WORDS * slot] === NOT_PACKED) {
			this.#slotOfOther.delete(this.keyOf(slot));
			this.#others.delete(slot);
		} else this.#unlink(slot);
		this.#next[slot] = this.#free;
		this.#free = slot;
		this.#size--;
		if (slot === this.#lastSlot) this.#lastSlot = NO_SLOT;
	}

	/** The key that has this slot. */
	keyOf(slot: number): string {
		const other = this.#others.get(slot);
		if (other !== undefined) return other;
		let key = this.#prefix;
		for (let word = 0; word < WORDS; word++) {
			const bits = this.#words[WORDS * slot + word] ?? 0;
			for (let shift = 5 * (WORD_CHARS - 1); shift >= 0; shift -= 5) key += ALPHABET.charAt((bits >>> shift) & 31);
		}
		return key;
	}

	/** Packs a key into `#packed`. Returns whether it can be packed. */
	#pack(key: string): boolean {
		const prefixChars = this.#prefix.length;
		if (key.length !== prefixChars + PACKED_CHARS || !key.startsWith(this.#prefix)) return false;
		for (let word = 0; word < WORDS; word++) {
			let bits = 0;
			const start = prefixChars + word * WORD_CHARS;
			for (let at = start; at < start + WORD_CHARS; at++) {
				const digit = DIGITS[key.charCodeAt(at)] ?? -1;
				if (digit < 0) return false;
				bits = (bits << 5) | digit;
			}
			this.#packed[word] = bits;
		}
		return true;
	}

	/** The bucket of the key in `#packed`. */
	#bucket(): number {
		let hash = this.#seed;
		for (let word = 0; word < WORDS; word++) {
			hash = Math.imul(hash ^ (this.#packed[word] ?? 0), 0x9e3779b1);
			hash ^= hash >>> 15;
		}
		hash = Math.imul(hash, 0x85ebca6b);
		return (hash ^ (hash >>> 13)) & (this.#buckets.length - 1);
	}

	/** The slot of the key in `#packed`, or `NO_SLOT`. */
	#findPacked(): number {
		let slot = this.#buckets[this.#bucket()] ?? NO_SLOT;
		while (slot !== NO_SLOT && !this.#isAt(slot)) slot = this.#next[slot] ?? NO_SLOT;
		return slot;
	}

	#isAt(slot: number): boolean {
		for (let word = 0; word < WORDS; word++) {
			if (this.#words[WORDS * slot + word] !== this.#packed[word]) return false;
		}
		return true;
	}

	/** Puts the slot of the key in `#packed` into its bucket. */
	#link(slot: number): void {
		const bucket = this.#bucket();
		this.#next[slot] = this.#buckets[bucket] ?? NO_SLOT;
		this.#buckets[bucket] = slot;
	}

	#unlink(slot: number): void {
		this.#packed.set(this.#words.subarray(WORDS * slot, WORDS * (slot + 1)));
		const bucket = this.#bucket();
		const next = this.#next[slot] ?? NO_SLOT;
		let at = this.#buckets[bucket] ?? NO_SLOT;
		if (at === slot) {
			this.#buckets[bucket] = next;
			return;
		}
		while (this.#next[at] !== slot) at = this.#next[at] ?? NO_SLOT;
		this.#next[at] = next;
	}

	#append(slot: number): void {
		this.#older[slot] = this.#newest;
		this.#newer[slot] = NO_SLOT;
		if (this.#newest === NO_SLOT) this.#oldest = slot;
		else this.#newer[this.#newest] = slot;
		this.#newest = slot;
	}

	#unlinkFromOrder(slot: number): void {
		const older = this.#older[slot] ?? NO_SLOT;
		const newer = this.#newer[slot] ?? NO_SLOT;
		if (older === NO_SLOT) this.#oldest = newer;
		else this.#newer[older] = newer;
		if (newer === NO_SLOT) this.#newest = older;
		else this.#older[newer] = older;
	}

	#take(): number {
		const free = this.#free;
		if (free !== NO_SLOT) {
			this.#free = this.#next[free] ?? NO_SLOT;
			return free;
		}
		if (this.#used === this.#next.length) this.#grow();
		return this.#used++;
	}

	/** Doubles the slots and the buckets. No slot is free. `#packed` stays. */
	#grow(): void {
		const slots = 2 * this.#used;
		this.#words = grown(this.#words, WORDS * slots);
		this.#next = grown(this.#next, slots);
		this.#newer = grown(this.#newer, slots);
		this.#older = grown(this.#older, slots);
		this.#buckets = new Int32Array(slots).fill(NO_SLOT);
		const packed = this.#packed.slice();
		for (let slot = 0; slot < this.#used; slot++) {
			if (this.#words[WORDS * slot] === NOT_PACKED) continue;
			for (let word = 0; word < WORDS; word++) this.#packed[word] = this.#words[WORDS * slot + word] ?? 0;
			this.#link(slot);
		}
		this.#packed.set(packed);
	}
}

function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
	const larger = new Int32Array(length);
	larger.set(array);
	return larger;
}
