/** Questions, asked only where somebody can answer; anywhere else the flag that answers them is named. */
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {escapeText, type TerminalText, text} from '../core/terminal-text.ts'
import type {Terminal} from './terminal.ts'

interface Question {
  readonly message: TerminalText
  /** What answers it without a terminal, as it is typed: `--yes`, `NAME`. */
  readonly flag: string
}

interface InputQuestion extends Question {
  /** Not offered where a terminal could not show it as it is. */
  readonly default?: string
  /** Throws or answers why a value does not do; answers true when it does. */
  readonly validate?: (value: string) => true | TerminalText
}

interface SelectQuestion<Value extends string> extends Question {
  readonly choices: readonly {readonly name: TerminalText; readonly value: Value}[]
}

/** @throws {HoldfastError} each: INPUT_REQUIRED without a terminal, INTERRUPTED on Ctrl-C. */
export interface Prompts {
  readonly isInteractive: boolean
  input(question: InputQuestion): Promise<string>
  /** Shows a star for each character; never empty. */
  secret(question: Question): Promise<Secret>
  confirm(question: Question): Promise<boolean>
  select<Value extends string>(question: SelectQuestion<Value>): Promise<Value>
  /** Any number of the choices, at least one. */
  choose<Value extends string>(question: SelectQuestion<Value>): Promise<readonly Value[]>
}

/** Makes prompts that are drawn on standard error, so that standard output stays the result's. */
export function createPrompts(terminal: Pick<Terminal, 'isInteractive' | 'stderr'>): Prompts {
  const ask = async (question: Question & {readonly type: string; readonly [setting: string]: unknown}): Promise<unknown> => {
    if (!terminal.isInteractive) throw inputRequired(question)
    const {default: inquirer} = await import('inquirer')
    const prompt = inquirer.createPromptModule({output: terminal.stderr})
    const {flag, default: offered, ...drawn} = question
    const answers: Readonly<Record<string, unknown>> = await prompt([{...drawn, ...shownDefault(offered), name: 'answer'} as never])
    return answers.answer
  }
  return {
    isInteractive: terminal.isInteractive,
    input: async (question) => String(await ask({...question, type: 'input'})),
    secret: async (question) => {
      const validate = (value: string): true | TerminalText => value !== '' || text`It is empty.`
      return new Secret(String(await ask({...question, type: 'password', mask: '*', validate})))
    },
    confirm: async (question) => (await ask({...question, type: 'confirm', default: false})) === true,
    select: async (question) => {
      const answer = await ask({...question, type: 'select'})
      const chosen = question.choices.find(({value}) => value === answer)
      if (chosen === undefined) throw inputRequired(question)
      return chosen.value
    },
    choose: async (question) => {
      const answer = await ask({...question, type: 'checkbox', required: true})
      const values: readonly unknown[] = Array.isArray(answer) ? answer : []
      return question.choices.flatMap(({value}) => (values.includes(value) ? [value] : []))
    },
  }
}

function shownDefault(offered: unknown): {readonly default?: unknown} {
  return offered === undefined || (typeof offered === 'string' && escapeText(offered) !== offered) ? {} : {default: offered}
}

function inputRequired({message, flag}: Question): HoldfastError {
  return new HoldfastError('INPUT_REQUIRED', `cannot ask "${message}": there is no terminal`, {hints: [flag]})
}
