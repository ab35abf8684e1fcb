import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../src/sim/relay-process.ts";
import { Child, isReady } from "./child.ts";
import { until } from "./until.ts";
import { basicAuth } from "./xrpc.ts";

const MAIL_DEADLINE_MS = 240_000;
const ADMIN_PASSWORD = "pds-admin";

/** Where a PDS runs. */
export interface PdsPlace {
	/** The Node that runs it. */
	node: string;
	name: string;
	/** For its data. It must not exist yet. */
	folder: string;
	plcOrigin: string;
}

/** A reference PDS, in a process of its own. It can be stopped, and started again with its data. */
export class Pds {
	/** Its name for the relay: `localhost:PORT`. */
	readonly hostname: string;
	readonly origin: string;
	/** Handles of its accounts end with this. */
	readonly handleDomain: string;
	/** The `authorization` of its admin. */
	readonly admin = basicAuth(ADMIN_PASSWORD);
	readonly #place: PdsPlace;
	readonly #settings: Readonly<Record<string, string>>;
	readonly #mails: string[] = [];
	#child: Child | null = null;

	/** Makes its folder. Does not start it. */
	constructor(place: PdsPlace) {
		const port = freePort();
		this.hostname = `localhost:${port}`;
		this.origin = `http://${this.hostname}`;
		this.handleDomain = `.${place.name}.test`;
		this.#place = place;
		this.#settings = settingsOf(place, port, this.handleDomain);
		mkdirSync(place.folder);
	}

	async start(): Promise<void> {
		const { node, name } = this.#place;
		let ready = false;
		this.#child = new Child({
			name,
			command: [node, join(import.meta.dir, "pds.mjs")],
			env: this.#settings,
			onLine: (line) => {
				if (!line.startsWith("{")) return;
				const { mail, ready: isUp } = JSON.parse(line) as { mail?: { text: string }; ready?: boolean };
				if (mail !== undefined) this.#mails.push(mail.text);
				if (isUp === true) ready = true;
			},
		});
		await isReady(this.#child, () => ready);
	}

	async stop(): Promise<void> {
		await this.#child?.stop();
	}

	/** Calls `ask`, which makes the PDS send an e-mail, and waits for the confirmation code in it. */
	async codeMailedBy(ask: () => Promise<unknown>): Promise<string> {
		const mailsBefore = this.#mails.length;
		await ask();
		const codes = await until(`an e-mail of ${this.#place.name}`, MAIL_DEADLINE_MS, () =>
			this.#mails[mailsBefore]?.match(/\b[A-Z2-7]{5}-[A-Z2-7]{5}\b/),
		);
		return codes?.[0] ?? "";
	}
}

function settingsOf({ folder, plcOrigin }: PdsPlace, port: number, handleDomain: string): Record<string, string> {
	return {
		PDS_PORT: String(port),
		// Only with this name do DID documents have a port and no TLS.
		PDS_HOSTNAME: "localhost",
		// The audience of service tokens. It must differ between the PDSes, whose hostname is the same.
		PDS_SERVICE_DID: `did:web:localhost%3A${port}`,
		PDS_SERVICE_HANDLE_DOMAINS: handleDomain,
		PDS_DID_PLC_URL: plcOrigin,
		PDS_DATA_DIRECTORY: folder,
		// Both on one filesystem, since the PDS renames files from one to the other.
		PDS_BLOBSTORE_DISK_LOCATION: join(folder, "blobs"),
		PDS_BLOBSTORE_DISK_TMP_LOCATION: join(folder, "blobs-temporary"),
		PDS_JWT_SECRET: randomHex(16),
		PDS_DPOP_SECRET: randomHex(32),
		PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: randomHex(32),
		PDS_ADMIN_PASSWORD: ADMIN_PASSWORD,
		PDS_INVITE_REQUIRED: "0",
		// Both settings are needed to let the PDS call a PLC directory on loopback.
		PDS_DEV_MODE: "1",
		PDS_DISABLE_SSRF_PROTECTION: "1",
		LOG_ENABLED: "0",
	};
}

function randomHex(bytes: number): string {
	return randomBytes(bytes).toString("hex");
}
