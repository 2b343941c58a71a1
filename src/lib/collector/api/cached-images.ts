import {Type} from 'typebox'
import type {CachedImageNote} from '../store.ts'
import {type Call, defineOperation, shape} from './operation.ts'
import {Time} from './shapes.ts'

const Digest = Type.String({pattern: '^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$'})
const Text = Type.String({minLength: 1, maxLength: 1024})

const NoteProperties = {
  registry: Text,
  repository: Type.String({minLength: 1, maxLength: 255, description: 'a GUID, or the name that was asked for'}),
  source: Text,
  sourceDigest: Digest,
  digest: Digest,
  platforms: Type.Optional(Type.Array(Type.String({maxLength: 64}), {maxItems: 64})),
  app: Type.Optional(Type.String({minLength: 1, maxLength: 128})),
  sizeBytes: Type.Integer({minimum: 0}),
}

const NoteShape = shape({
  ...NoteProperties,
  createdAt: Time,
  principal: Type.String({description: 'who cached it; - for whoever has the machine'}),
})

export const noteCachedImage = defineOperation({
  id: 'cached-image.note',
  method: 'POST',
  path: '/cached-images',
  summary: 'Notes which cached reference stands for what, and for which app.',
  input: shape(NoteProperties),
  output: NoteShape,
  async run(input, call) {
    const principal = call.caller.kind === 'user' ? call.caller.user.name : '-'
    const note = {...input, createdAt: call.now().toISOString(), principal}
    await call.store.noteCachedImage(note)
    return note
  },
})

export const findCachedImages = defineOperation({
  id: 'cached-image.find',
  method: 'GET',
  path: '/cached-images',
  summary:
    'Finds cached images by GUID, digest, app or any part of the source; newest first. Users find those of their own and of their groups’ apps.',
  input: shape({query: Type.Optional(Type.String({maxLength: 1024}))}),
  output: shape({images: Type.Array(NoteShape)}),
  async run({query = ''}, call) {
    const found = await call.store.findCachedImages(query)
    const maySee = await visibility(call)
    return {
      images: found
        .filter(maySee)
        .map((note) => ({...note, ...(note.platforms === undefined ? {} : {platforms: [...note.platforms]})})) as never,
    }
  },
})

export const CACHED_IMAGE_OPERATIONS = [noteCachedImage, findCachedImages]

/** Sources can be names that are nobody else's business. */
async function visibility({caller, store}: Call): Promise<(note: CachedImageNote) => boolean> {
  if (caller.kind === 'machine' || caller.user.isAdministrator) return () => true
  const {user} = caller
  const groups = new Set(user.groups)
  const apps = (await store.listApps()).filter(({responsibles, publications}) =>
    [...responsibles, ...publications].some((group) => groups.has(group)),
  )
  const codes = new Set(apps.map(({code}) => code))
  return ({principal, app}) => principal === user.name || (app !== undefined && codes.has(app))
}
