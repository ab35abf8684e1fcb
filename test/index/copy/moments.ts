import type { FaultMoment } from "../../sim/postgres-proxy.ts";

/** No other message of a client is as long as a page of rows. */
const PAGE_BYTES_MIN = 50_000;

/** The moment at which a copy sends a page of rows to PostgreSQL, counted from 0. */
export function pageSent(number: number): FaultMoment["at"] {
	let count = 0;
	return ({ from, type, text }) =>
		from === "client" && type === "B" && text.length > PAGE_BYTES_MIN && count++ === number;
}

/** The moment at which a copy gets a row from PostgreSQL, counted from 0. */
export function rowReceived(number: number): FaultMoment["at"] {
	let count = 0;
	return ({ from, type }) => from === "server" && type === "D" && count++ === number;
}
