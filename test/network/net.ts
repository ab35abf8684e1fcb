import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../sim/relay-process.ts";
import { Child } from "./child.ts";
import { until } from "./until.ts";
import { basicAuth } from "./xrpc.ts";

const BOOT_DEADLINE_MS = 240_000;
const MAIL_DEADLINE_MS = 240_000;
const ADMIN_PASSWORD = "pds-admin";

/** A reference PDS. */
export interface Pds {
	/** Its name for the relay: `localhost:PORT`. */
	hostname: string;
	origin: string;
	/** Handles of its accounts end with this. */
	handleDomain: string;
	/** The `authorization` of its admin. */
	admin: string;
	/** Calls `ask`, which makes the PDS send an e-mail, and waits for the confirmation code in it. */
	codeMailedBy: (ask: () => Promise<unknown>) => Promise<string>;
}

/** A PLC directory and PDSes on loopback. */
export interface Net {
	plcOrigin: string;
	pdses: readonly Pds[];
	stop: () => Promise<void>;
}

/**
 * Starts a PLC directory and reference PDSes, each in a process of its own, with their data in a temporary folder.
 * @param node the Node that runs them
 */
export async function bootNet(node: string, pdsCount: number): Promise<Net> {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-net-"));
	const children: Child[] = [];
	const stop = async (): Promise<void> => {
		await Promise.all(children.map((child) => child.stop()));
		rmSync(folder, { recursive: true, force: true });
	};
	try {
		const plcOrigin = `http://localhost:${await bootPlc(node, children)}`;
		const pdses = await Promise.all(
			Array.from({ length: pdsCount }, (_, index) =>
				bootPds(node, children, { name: `pds${index + 1}`, folder: join(folder, `pds${index + 1}`), plcOrigin }),
			),
		);
		return { plcOrigin, pdses, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

async function bootPlc(node: string, children: Child[]): Promise<number> {
	let port = 0;
	const plc = new Child({
		name: "plc",
		command: [node, join(import.meta.dir, "plc.mjs")],
		env: { LOG_ENABLED: "0" },
		onLine: (line) => {
			port = parseLine(line)?.port ?? port;
		},
	});
	children.push(plc);
	await isReady(plc, () => port !== 0);
	return port;
}

interface PdsPlace {
	name: string;
	folder: string;
	plcOrigin: string;
}

async function bootPds(node: string, children: Child[], { name, folder, plcOrigin }: PdsPlace): Promise<Pds> {
	mkdirSync(folder);
	const port = freePort();
	const handleDomain = `.${name}.test`;
	const mails: string[] = [];
	let ready = false;
	const pds = new Child({
		name,
		command: [node, join(import.meta.dir, "pds.mjs")],
		env: pdsSettings({ port, folder, handleDomain, plcOrigin }),
		onLine: (line) => {
			const { mail, ready: isUp } = parseLine(line) ?? {};
			if (mail !== undefined) mails.push(mail.text);
			if (isUp === true) ready = true;
		},
	});
	children.push(pds);
	await isReady(pds, () => ready);
	const codeMailedBy = async (ask: () => Promise<unknown>): Promise<string> => {
		const mailsBefore = mails.length;
		await ask();
		const codes = await until(`an e-mail of ${name}`, MAIL_DEADLINE_MS, () =>
			mails[mailsBefore]?.match(/\b[A-Z2-7]{5}-[A-Z2-7]{5}\b/),
		);
		return codes?.[0] ?? "";
	};
	const hostname = `localhost:${port}`;
	return { hostname, origin: `http://${hostname}`, handleDomain, admin: basicAuth(ADMIN_PASSWORD), codeMailedBy };
}

interface PdsSettings {
	port: number;
	folder: string;
	handleDomain: string;
	plcOrigin: string;
}

function pdsSettings({ port, folder, handleDomain, plcOrigin }: PdsSettings): Record<string, string> {
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

interface ChildLine {
	port?: number;
	ready?: boolean;
	mail?: { text: string };
}

/** A line of JSON from one of the test's scripts; null for other output, which their servers may write. */
function parseLine(line: string): ChildLine | null {
	return line.startsWith("{") ? (JSON.parse(line) as ChildLine) : null;
}

async function isReady(child: Child, ready: () => boolean): Promise<void> {
	await until(
		`${child.name} to be ready`,
		BOOT_DEADLINE_MS,
		() => ready() || child.isGone,
		() => child.log,
	);
	if (child.isGone) throw new Error(`${child.name} ended as it started:\n${child.log}`);
}

function randomHex(bytes: number): string {
	return randomBytes(bytes).toString("hex");
}
