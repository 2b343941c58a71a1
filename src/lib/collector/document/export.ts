/** What a collector knows, as a document. */
import {readSettings} from '../api/settings-document.ts'
import type {CollectorStore} from '../store.ts'
import type {CollectorDocument} from './document.ts'

export async function exportDocument(store: CollectorStore): Promise<CollectorDocument> {
  // One after the other: a transaction has one connection.
  const {policy, responsibleSees} = await readSettings(store)
  const groups = await store.listGroups()
  const users = await store.listUsers()
  const apps = await store.listApps()
  const services = await store.listServices()
  const registries = await store.listManagedRegistries()
  const repositories = await store.listDescribedRepositories()
  return {
    policy,
    responsibleSees,
    ids: {
      groups: idsOf(groups.filter(({kind}) => kind === 'organisational')),
      users: idsOf(users),
      apps: idsOf(apps.map(({id, code}) => ({id, name: code}))),
    },
    groups: groups.filter(({kind}) => kind === 'organisational').map(({name}) => name),
    users: users.map(({name, email, source, subject, groups: own, primaryGroup, privileges, isAdministrator, isDisabled}) => ({
      name,
      ...(email === undefined ? {} : {email}),
      source,
      ...(subject === undefined ? {} : {subject}),
      groups: [...own],
      ...(primaryGroup === undefined ? {} : {primaryGroup}),
      privileges: [...privileges],
      administrator: isAdministrator,
      disabled: isDisabled,
    })),
    apps: apps.map(({code, responsibles, publications}) => ({code, responsibles: [...responsibles], publications: [...publications]})),
    services: services.map(({name, app, isDisabled}) => ({name, app, disabled: isDisabled})),
    registries: registries.map(({id: _id, createdAt: _createdAt, provenAt: _provenAt, publications, responsibles, ...facts}) => ({
      ...facts,
      publications: [...publications],
      responsibles: [...responsibles],
    })),
    repositories: repositories.map(({registry, name, description, isOfficial, isAutomated, stars}) => ({
      registry,
      name,
      description,
      official: isOfficial,
      automated: isAutomated,
      stars: [...stars],
    })),
  }
}

function idsOf(objects: readonly {readonly id: number; readonly name: string}[]): Record<string, number> {
  return Object.fromEntries(objects.map(({name, id}) => [name, id]))
}
