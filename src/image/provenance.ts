import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import { parseOptions } from '../parse-options.js';

/** Where a synthetic image comes from. It travels in the file's metadata, whatever the format. */
export interface Provenance {
  /** Always true: an image with a provenance was made by a model. */
  readonly synthetic: true;
  /** What made it: `latentray` and its version. */
  readonly software: string;
  /** Digest of the model's weights. */
  readonly modelDigest: string;
  readonly prompt?: string;
  readonly negativePrompt?: string;
  readonly seed?: bigint;
  /** Everything else that the result depends on: steps, guidance scale, scheduler … (JSON values). */
  readonly settings?: Readonly<Record<string, unknown>>;
}

const provenanceSchema = z.looseObject({
  synthetic: z.literal(true),
  software: z.string(),
  modelDigest: z.string(),
  prompt: z.string().optional(),
  negativePrompt: z.string().optional(),
  seed: z
    .union([z.bigint().nonnegative(), z.int().nonnegative(), z.string().regex(/^\d+$/)])
    .transform(BigInt)
    .optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
});

/** @throws LatentrayError `ERR_INVALID_ARG` when something that belongs to a provenance is not there. */
export function checkProvenance(value: unknown): Provenance {
  return parseOptions(provenanceSchema, value, 'provenance');
}

/** JSON; an integer above 2⁵³ is written as a string, so that no reader rounds it. */
export function provenanceToJson(provenance: Provenance): string {
  return JSON.stringify(provenance, (_key, value) => {
    if (typeof value !== 'bigint') return value;
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
  });
}

/** A sentence for people, in plain ASCII, which is all that every reader of EXIF shows. */
export function describeProvenance({ software, settings }: Provenance): string {
  const maker = software.replace(/[^\x20-\x7e]/g, '?');
  if (settings?.kind === 'reconstruction') {
    return `Image passed through the autoencoder of a generative model (${maker}). Details may be the model's. Not for diagnosis.`;
  }
  if (settings?.kind === 'image-to-image' || settings?.kind === 'inpainting') {
    return `Synthetic image that a generative model (${maker}) made from another image. Details may be the model's. Not for diagnosis.`;
  }
  return `Synthetic image made by a generative model (${maker}). It does not show a patient. Not for diagnosis.`;
}

const namespace = 'urn:latentray:provenance';

/** IPTC's term for media that a trained model made. */
const digitalSourceType = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

/** The XMP packet that carries a provenance in PNG, JPEG and WebP. */
export function provenanceToXmp(provenance: Provenance): string {
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:latentray="${namespace}">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escapeXml(describeProvenance(provenance))}</rdf:li></rdf:Alt></dc:description>
   <xmp:CreatorTool>${escapeXml(provenance.software)}</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>${digitalSourceType}</Iptc4xmpExt:DigitalSourceType>
   <latentray:Provenance>${escapeXml(provenanceToJson(provenance))}</latentray:Provenance>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>`;
}

/**
 * @param xmp - An XMP packet of any origin.
 * @param origin - The file's name, for the message.
 * @returns undefined when the packet is not ours.
 * @throws LatentrayError `ERR_IMAGE_DECODE` when it is ours and damaged.
 */
export function provenanceFromXmp(xmp: string, origin: string): Provenance | undefined {
  const found = /<latentray:Provenance>([^<]*)<\/latentray:Provenance>/.exec(xmp);
  if (!found) return undefined;
  try {
    return checkProvenance(JSON.parse(unescapeXml(found[1] as string)));
  } catch (cause) {
    throw new LatentrayError('ERR_IMAGE_DECODE', `${origin}: the provenance is damaged`, {
      cause,
      path: origin,
    });
  }
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** XML text; code points that XML has no way to write become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"]/g, (character) => entities[character] as string);
}

function unescapeXml(text: string): string {
  const characters = Object.fromEntries(
    Object.entries(entities).map(([key, value]) => [value, key]),
  );
  return text.replace(/&(?:amp|lt|gt|quot);/g, (entity) => characters[entity] as string);
}
