/** The images of the benchmark: sizes as in the field, sharing as in a company's registry. */

/** One megabyte. */
const MB = 1_000_000

export interface LayerShape {
  /** Equal seeds are equal layers, also across images. */
  readonly seed: string
  readonly sizeBytes: number
}

export interface ImageShape {
  readonly repository: string
  /** One list of layers for each platform; more than one make an index. */
  readonly platforms: readonly {readonly architecture: string; readonly layers: readonly LayerShape[]}[]
}

const layers = (prefix: string, sizesMb: readonly number[]): readonly LayerShape[] =>
  sizesMb.map((sizeMb, index) => ({seed: `${prefix}-${index}`, sizeBytes: sizeMb * MB}))

const singlePlatform = (repository: string, sizesMb: readonly number[]): ImageShape => ({
  repository,
  platforms: [{architecture: 'amd64', layers: layers(repository, sizesMb)}],
})

/** 5 MB in 3 layers. */
export const SMALL = singlePlatform('small', [1, 1.5, 2.5])
/** 150 MB in 10 layers. */
export const MEDIUM = singlePlatform('medium', Array(10).fill(15))
/** 1.0 GB in 25 layers, one of them of 400 MB. */
export const LARGE = singlePlatform('large', [...Array(12).fill(25), 400, ...Array(12).fill(25)])
/** 160 MB for 4 platforms. */
export const MULTI: ImageShape = {
  repository: 'multi',
  platforms: ['amd64', 'arm64', 'ppc64le', 's390x'].map((architecture) => ({
    architecture,
    layers: layers(`multi-${architecture}`, [10, 10, 10, 10]),
  })),
}

const FLEET_SIZE = 40
const RUNTIMES = 10

/** 40 images of 73 MB: one distribution under all of them, ten runtimes of 8 layers, 8 MB of their own; 2.92 GB named, 0.745 GB unique. */
export const FLEET: readonly ImageShape[] = Array.from({length: FLEET_SIZE}, (_, index) => ({
  repository: `app${String(index).padStart(2, '0')}`,
  platforms: [
    {
      architecture: 'amd64',
      layers: [...layers('distribution', [25]), ...layers(`runtime-${index % RUNTIMES}`, Array(8).fill(5)), ...layers(`app-${index}`, [8])],
    },
  ],
}))

/** Bytes of the distinct layers of some images. */
export function uniqueBytes(images: readonly ImageShape[]): number {
  const sizes = new Map(images.flatMap(({platforms}) => platforms.flatMap((p) => p.layers)).map(({seed, sizeBytes}) => [seed, sizeBytes]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

/** The same images with smaller layers, to try the benchmark itself. */
export function scaleImage(image: ImageShape, factor: number): ImageShape {
  const scaleLayer = ({seed, sizeBytes}: LayerShape): LayerShape => ({seed, sizeBytes: Math.max(1, Math.round(sizeBytes * factor))})
  return {
    ...image,
    platforms: image.platforms.map(({architecture, layers: list}) => ({architecture, layers: list.map(scaleLayer)})),
  }
}
