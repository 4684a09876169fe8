declare module '@cornerstonejs/codec-charls/wasmjs' {
  // biome-ignore lint/suspicious/noExplicitAny: the codec has no types
  export default function charls(options: object): Promise<any>;
}

declare module '@cornerstonejs/codec-openjpeg/wasmjs' {
  // biome-ignore lint/suspicious/noExplicitAny: the codec has no types
  export default function openjpeg(options: object): Promise<any>;
}
