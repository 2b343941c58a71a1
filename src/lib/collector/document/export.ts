/** What a collector knows, as a document. */
import {readSettings} from '../api/settings-document.ts'
import type {CollectorStore} from '../store.ts'
import type {CollectorDocument} from './document.ts'

export async function exportDocument(store: CollectorStore): Promise<CollectorDocument> {
  const [{policy}, groups, users, apps, services, registries] = await Promise.all([
    readSettings(store),
    store.listGroups(),
    store.listUsers(),
    store.listApps(),
    store.listServices(),
    store.listManagedRegistries(),
  ])
  return {
    policy,
    groups: groups.filter(({kind}) => kind === 'organisational').map(({name}) => name),
    users: users.map(({name, email, groups: own, privileges, isAdministrator, isDisabled}) => ({
      name,
      ...(email === undefined ? {} : {email}),
      groups: [...own],
      privileges: [...privileges],
      administrator: isAdministrator,
      disabled: isDisabled,
    })),
    apps: apps.map(({code, responsibles, publications}) => ({code, responsibles: [...responsibles], publications: [...publications]})),
    services: services.map(({name, app, isDisabled}) => ({name, app, disabled: isDisabled})),
    registries: registries.map(({id: _id, createdAt: _createdAt, publications, responsibles, ...facts}) => ({
      ...facts,
      publications: [...publications],
      responsibles: [...responsibles],
    })),
  }
}
