/** The counter's last word: what is drawn for one purpose has nothing to do with what is drawn for another. */
export const purposes = { order: 1, placement: 2 } as const;
