/** The scenarios by name: what they need of the corpus and of the machine, and what is required in them. */
import {FLEET, type ImageShape, LARGE, MEDIUM, MULTI, SMALL} from '../corpus/shapes.ts'
import type {Laboratory} from '../laboratory.ts'
import type {Scenario, ScenarioName} from '../scenario.ts'
import {openFleetScenario} from './copy-fleet.ts'
import {openCopyScenario} from './copy-image.ts'
import {openCredentialHelperScenario} from './credential-helper.ts'
import {openEmbeddedScenario} from './embedded.ts'
import {openMirrorCrowdScenario, openMirrorScenario} from './mirror.ts'
import {openStartUpScenario} from './start-up.ts'

interface ScenarioPlan {
  readonly images: readonly ImageShape[]
  readonly programs: readonly string[]
  readonly open: (laboratory: Laboratory) => Scenario | Promise<Scenario>
}

const REGISTRY = 'docker-registry'

const planCopy = (options: Omit<Parameters<typeof openCopyScenario>[1], 'repository'>, image: ImageShape): ScenarioPlan => ({
  images: [image],
  programs: options.tls ? [REGISTRY, 'skopeo', 'openssl'] : [REGISTRY, 'skopeo'],
  open: (laboratory) => openCopyScenario(laboratory, {...options, repository: image.repository}),
})

export const SCENARIO_PLANS: Readonly<Record<ScenarioName, ScenarioPlan>> = {
  'start-up': {images: [], programs: [], open: openStartUpScenario},
  'credential-helper': {images: [], programs: ['gnome-keyring-daemon', 'dbus-daemon', 'dbus-send'], open: openCredentialHelperScenario},
  small: planCopy({name: 'small', title: '5 MB in 3 layers over HTTP', tls: false, targets: {wallRatio: 2}, runsFactor: 3}, SMALL),
  medium: planCopy({name: 'medium', title: '150 MB in 10 layers over HTTP', tls: false, targets: {}, runsFactor: 1}, MEDIUM),
  multi: planCopy({name: 'multi', title: '160 MB for 4 platforms over HTTP', tls: false, targets: {}, runsFactor: 1}, MULTI),
  large: planCopy(
    {name: 'large', title: '1.0 GB in 25 layers over HTTP', tls: false, targets: {wallRatio: 0.7, cpuRatio: 0.5}, runsFactor: 1},
    LARGE,
  ),
  tls: planCopy({name: 'tls', title: '1.0 GB in 25 layers, TLS at both ends', tls: true, targets: {wallRatio: 0.8}, runsFactor: 1}, LARGE),
  'fleet-cold': {images: FLEET, programs: [REGISTRY, 'skopeo'], open: (laboratory) => openFleetScenario(laboratory, 'cold')},
  'fleet-warm': {images: FLEET, programs: [REGISTRY, 'skopeo'], open: (laboratory) => openFleetScenario(laboratory, 'warm')},
  'embedded-pull': {images: [LARGE], programs: [REGISTRY, 'curl'], open: (laboratory) => openEmbeddedScenario(laboratory, 'pull')},
  'embedded-push': {images: [LARGE], programs: [REGISTRY, 'curl'], open: (laboratory) => openEmbeddedScenario(laboratory, 'push')},
  'mirror-hit': {images: [LARGE], programs: [REGISTRY, 'curl'], open: (laboratory) => openMirrorScenario(laboratory, 'hit')},
  'mirror-cold': {images: [LARGE], programs: [REGISTRY, 'curl'], open: (laboratory) => openMirrorScenario(laboratory, 'cold')},
  'mirror-crowd': {images: [MEDIUM], programs: [REGISTRY, 'curl'], open: openMirrorCrowdScenario},
}
