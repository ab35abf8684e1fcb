const unexpected = async (): Promise<never> => {
	throw new Error("nobody asks why here");
};
/** The part of the reads app that answers why, for tests in which nobody asks. */
export const NO_WHY = {
	inquiry: { ofAccount: unexpected, ofHost: unexpected },
	handles: { resolve: unexpected },
	allowInsecure: false,
};
