/** How many consumers one fan-out thread serves. */
export interface AdmissionLimits {
	consumersMax: number;
	/** From one IP address. */
	consumersPerIpMax: number;
}

/** Counts consumers against the limits. It remembers an address only while a consumer from there is connected. */
export class Admission {
	readonly #limits: AdmissionLimits;
	readonly #consumersByIp = new Map<string, number>();
	#consumers = 0;

	constructor(limits: AdmissionLimits) {
		this.#limits = limits;
	}

	/** Takes a place, which `release` gives back. Returns null, or the limit that stands against it. */
	admit(ip: string): string | null {
		const fromIp = this.#consumersByIp.get(ip) ?? 0;
		if (this.#consumers >= this.#limits.consumersMax) {
			return `this relay already serves its limit of ${this.#limits.consumersMax} consumers`;
		}
		if (fromIp >= this.#limits.consumersPerIpMax) {
			return `this relay already serves its limit of ${this.#limits.consumersPerIpMax} consumers from your address`;
		}
		this.#consumers++;
		this.#consumersByIp.set(ip, fromIp + 1);
		return null;
	}

	release(ip: string): void {
		this.#consumers--;
		const left = (this.#consumersByIp.get(ip) ?? 1) - 1;
		if (left === 0) this.#consumersByIp.delete(ip);
		else this.#consumersByIp.set(ip, left);
	}
}
