// monitor/: what the control thread reads of the process when somebody asks for metrics. It asks no thread for that, and waits for none.

import type { Figures } from "./figures.ts";

/** One series of a metric. */
export interface Sample {
	/** By the labels' names. */
	labels: Readonly<Record<string, string>>;
	value: number;
}

/** A metric of the whole process, which no thread counts. */
export interface Reading {
	/** Its name in `/metrics`. */
	name: string;
	kind: "counter" | "gauge";
	/** What it means, without a period at its end. */
	help: string;
	/** What the operator does when it looks wrong: whole sentences. */
	advice: string;
	/** Its labels, and in words what values each has. */
	labels: Readonly<Record<string, string>>;
	/** Its number; its series, if it has labels; null if it is not known now. */
	read: (figures: Figures) => number | readonly Sample[] | null;
}

/** The series of a reading now. */
export function samplesOf({ read }: Reading, figures: Figures): readonly Sample[] {
	const value = read(figures);
	if (value === null) return [];
	return typeof value === "number" ? [{ labels: {}, value }] : value;
}

/** A reading without labels, whose value goes up and down. */
export function plainGauge(
	name: string,
	help: string,
	advice: string,
	read: (figures: Figures) => number | null,
): Reading {
	return { name, kind: "gauge", help, advice, labels: {}, read };
}
