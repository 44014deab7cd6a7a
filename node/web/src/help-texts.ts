// What the help says (help.tsx). Chinese first; a page that is in the menu, and each kind of record in the catalogue, has an entry.
export type Pair = readonly [zh: string, en: string];
export interface Help {
  name?: Pair; // of a page; a kind of record is called what the catalogue calls it
  what: Pair;
  todo: readonly [Pair, Pair, Pair];
  words: readonly Pair[];
  fail: Pair;
}

const FORM_FAIL: Pair = [
  '存不上时，红字写着哪一项、为什么、怎么改，改好再按“保存”。填到一半有事走开没关系，内容自动存成草稿，首页“要办的事”里接着填。',
  'If it is not saved, the words in red say which field, why, and what to do. What is half done is kept as a draft, under "To do" on the first page.',
];
const TOWN_FAIL: Pair = [
  '这里由镇里登记，村里只能看。内容不对、或者该有的没有，请打电话给镇里；镇里改好后，下次联网（或收下U盘回复）就会更新。',
  'The town keeps these; the village looks. If something is wrong or missing, tell the town: it comes with the next connection.',
];
const STATE: Pair = [
  '状态：“提交”是村里交上去了，“已核”是镇里看过认可了（之后村里不能直接改），“退回”是镇里要您改。',
  'State: submitted by the village; verified by the town (the village does not change it any more); returned: to be corrected.',
];
const SENT: Pair = ['○ 待上报：在本机，还没到镇里；✓ 已上报：镇里收到了；! 被退回：要改。', '○ still to be sent; ✓ the town has it; ! sent back.'];
const TOWN_ONLY: Pair = ['“镇里登记”：村里看得到、印得出，不能新增也不能改。', 'Kept by the town: the village sees and prints it.'];

const town = (what: Pair, see: Pair, words: readonly Pair[], use: Pair): Help => ({
  what,
  todo: [see, use, ['点“打印、导出”，印出来或存成 Excel。', 'Print it, or take it to Excel.']],
  words: [...words, TOWN_ONLY],
  fail: TOWN_FAIL,
});

export const PAGES: Record<string, Help> = {
  '': {
    name: ['首页', 'Home'],
    what: ['每天先看这里：找人、登记、今天要办的事、有没有报到镇里。', 'Look here first: find somebody, record something, what is due today, and whether the town has it.'],
    todo: [
      ['找人：在上面的框里打姓名、拼音首字母、身份证后几位、电话或户编号。', 'Find: type a name, initials in pinyin, the tail of the ID number, a telephone or household number.'],
      ['登记：“马上登记”里点要记的那一种。', 'Record: choose a kind under "Record now".'],
      ['办事：“要办的事”从上往下办，红字的最急；办好的自己会消失。', 'Do: "To do" from the top, red ones first; what is done goes away by itself.'],
    ],
    words: [
      ['待上报：存在这台电脑上，还没到镇里。不用管，连上网自己会报。', 'To be sent: on this PC, not with the town yet. It goes by itself.'],
      ['被退回：镇里看了觉得要改。点进去看原因，改好保存。', 'Sent back: the town wants it corrected. The reason stands there.'],
      ['走访“还有 N 人”：节日前后还没走访到的人，点它直接勾选登记。', 'Visits, "N left": not visited yet for this festival; click to tick them off.'],
      ['镇里答复：您申请更正的事，镇里同意了或没有同意，写着原因。', "The town's answer: to a correction that you asked for."],
    ],
    fail: ['写着“程序没有运行”：等一会儿，不行就重启电脑；已经存的不会丢。“未联网”不影响登记，照常用。搜不到人：先换电话、户编号找一遍，再点“新增人员”。', 'If the program is gone, wait or restart the PC: what was saved is there. Without a network all goes on.'],
  },
  new: {
    name: ['填表', 'Filling in a form'],
    what: ['填一张新表。带红色 * 的必须填，其余在“其他内容（可以不填）”里，有就填。', 'A new form. Fields with a red * must be filled in; the rest is under "more".'],
    todo: [
      ['按回车跳到下一项，最后一项再按回车到“保存”。', 'Enter goes to the next field, and from the last one to Save.'],
      ['找人、找事项：打姓名或首字母，从下面列出来的里面点。', 'People and matters: type, and choose from what is listed.'],
      ['按“保存”，看到“已保存”就是写进这台电脑的硬盘了。存错了马上按“撤销”。', 'Save. "Saved" means that it is on this disk; "Undo" takes it back.'],
    ],
    words: [
      ['草稿：没按保存的内容，自己存着，断电也不丢；首页能接着填。', 'Draft: what was not saved yet; kept through a power cut.'],
      ['△ 提醒：不改也能存，请再看一眼；! 是错误：不改存不上。', '△ a warning: it may be saved; ! a mistake: it is not.'],
    ],
    fail: FORM_FAIL,
  },
  edit: {
    name: ['修改', 'Editing'],
    what: ['改一条已经有的记录。改了什么、谁改的、什么时候改的，都会留下。', 'Changes a record. Who changed what and when is kept.'],
    todo: [
      ['改要改的那几项，别的不动。', 'Change what is wrong, nothing else.'],
      ['按“保存”；改错了马上按“撤销”，或再改一次。', 'Save; undo it at once, or edit it again.'],
      ['被退回的：看清原因，改好保存，就重新交给镇里了。', 'What was sent back is handed in again by saving it.'],
    ],
    words: [
      ['灰色不能改的项：镇里已经核实。要改请用“申请更正”。', 'Fields that cannot be changed: the town has verified them; ask for a correction.'],
      ['“这条记录刚被改过”：您打开之后别人也改了同一项，会让您选用谁的，不会悄悄盖掉。', '"Changed meanwhile": somebody else changed the same field; you choose.'],
    ],
    fail: FORM_FAIL,
  },
  record: {
    name: ['一条记录的页面', "A record's page"],
    what: ['看一条记录的全部：内容、办到哪一步、和它有关的、谁改过。', 'Everything about one record: its content, its step, what belongs to it, who changed it.'],
    todo: [
      ['看“办理进度”：下一步是村里办，还是等镇里。', 'See the steps: whose turn it is.'],
      ['点“修改”改内容；不能改的用“申请更正”。', 'Edit it; ask for a correction of what may not be edited.'],
      ['点“删除”并写原因；删错了到“回收站”恢复。', 'Delete it with a reason; the recycle bin brings it back.'],
    ],
    words: [
      ['身份证号中间是 *：不让旁边的人看见，点“显示”才露出来。', 'Numbers are covered until you uncover them.'],
      SENT,
      ['修改经过：只有本机的；别人的修改点“向镇里查全部经过”。', 'History: what this PC knows; the rest is fetched from the town.'],
    ],
    fail: ['打不开或写着“没有这条记录”：可能已转到别的村，或不归本村看。不能删：镇里已经核实，请打电话给镇里。', 'If it does not open it may have moved to another village. What the town has verified is not deleted here.'],
  },
  batch: {
    name: ['多人走访登记', 'Visits to many people'],
    what: ['春节、八一这样的走访：共同的内容填一次，勾选走访到的人，一次存好，每人一条。', 'Festival visits: fill in once what is the same, tick who was visited, save all at once.'],
    todo: [
      ['填上面一样的内容：日期、时机、慰问品。', 'Fill in what is the same for all.'],
      ['下面默认只列还没走访的人，走访到谁就勾谁；可以按年龄、身份、困难挑。', 'Those not visited yet are listed: tick them; narrow down by age, identity, hardship.'],
      ['按“保存 N 条走访”：要么全部存好，要么一条也不存。', 'Save: all of them, or none.'],
    ],
    words: [
      ['“共 N 人，已走访 M 人”：在册的人里，这一年这个节日走访到的。已去世、迁出的不算。', '"N people, M visited": of those on the register, for this festival of this year.'],
      ['节点年度：腊月里走访过春节，填春节那一年。', 'Year of the occasion: the year of the festival itself.'],
    ],
    fail: ['有一个人不对就都不存：下面写着是谁、为什么，改好或先不勾他，再保存。', 'If one is refused none is saved: it says who and why.'],
  },
  tally: {
    name: ['咨询计数', 'Counting consultations'],
    what: ['有人问事，点一下就记一次，不用填表。', 'One tap for each question asked.'],
    todo: [
      ['先选怎么问的：窗口、电话、微信、入户。', 'Choose how it was asked.'],
      ['点问的是什么，数字加一。', 'Tap the topic: one more.'],
      ['点错了按“撤销”减回去。', 'Undo a wrong tap.'],
    ],
    words: [['今天共 N 条：今天这台电脑上点的，到晚上十二点从头数。', 'Today: since midnight, on this PC.']],
    fail: ['数字没变就是没存上，下面会写原因；再点一次即可。', 'If the number does not change it was not saved, and the reason stands below.'],
  },
  household: {
    name: ['同户的人', 'Household'],
    what: ['一户的人、住在同一地址的人和这户的光荣牌。', 'The people of one household, and its plaque.'],
    todo: [
      ['点名字看这个人。', 'Open a person.'],
      ['少了谁：到他的卡片“修改”，填上同一个户编号。', 'Somebody missing: give him the same household number.'],
      ['看这户的光荣牌挂了没有。', 'See whether the plaque is there.'],
    ],
    words: [['户编号：户口本上的户号，同一户填一样的。', 'Household number: that of the register, the same for all of a household.']],
    fail: ['同户的人没列出来：户编号不一样，差一个字也不算同户。', 'Who is missing has another household number.'],
  },
  import: {
    name: ['从表格导入', 'Importing a table'],
    what: ['手里有 Excel 名单，不用一个个打：先检查，没问题的导进来，有问题的退给您改。', 'Takes rows from Excel: checked first; good ones in, bad ones back.'],
    todo: [
      ['下载模板照着填，或直接选自己的表，下一步对上列名。', 'Use the template, or your own table and match its columns.'],
      ['按“检查”，看有问题的行，再按“导入”。', 'Check, then import.'],
      ['有问题的行下载下来改，多了一列“错误原因”，改好再导那个文件。', 'Get the bad rows with their reason, correct them, and import that file.'],
    ],
    words: [
      ['撤销这次导入：把这次导入的整批删掉。记在这台电脑的程序里，换浏览器、过几天都能撤。', 'Undo: deletes the whole batch; kept by the program, also for another browser and another day.'],
      ['导入后有人改过、镇里已核实的撤不掉，会列出是谁、为什么。', 'What was changed or verified since stays, and is listed with the reason.'],
    ],
    fail: ['中途断电或停下：再导一次同一个文件，会接着导，不会重复。读不了的文件，用 Excel 或 WPS 另存为 .xlsx 再试。', 'After a power cut import the same file again: nothing is doubled. A file that cannot be read: save it as .xlsx.'],
  },
  print: {
    name: ['打印、导出', 'Printing, exporting'],
    what: ['把列表印在 A4 纸上，或存成 Excel、CSV。', 'A list on paper, or as a file.'],
    todo: [
      ['勾要印的列；要人签字就勾“加签名栏”。', 'Choose the columns; add one to sign.'],
      ['改标题，再按“打印”。', 'Change the title and print.'],
      ['要在 Excel 里用，按“存成 Excel”。', 'Save it as Excel.'],
    ],
    words: [['签领表：每人一行，最后一列空着给本人签名。', 'Sheet to sign: a row each, the last column is for the signature.']],
    fail: ['没反应：看打印机开了没有、纸够不够。身份证号默认不印，要印自己勾上。', 'If nothing comes out look at the printer. ID numbers are printed only when chosen.'],
  },
  paper: {
    name: ['一次性告知单', 'Notice of materials'],
    what: ['来办事的人要带哪些材料、还缺哪些、什么时候补齐，一次说清，印给他。', 'What the applicant has to bring, what is missing and by when: printed for him.'],
    todo: [
      ['核对还缺的材料；不对就回去修改办件。', 'Check what is missing.'],
      ['按“打印”。', 'Print it.'],
      ['两个人都签名，一张给他，一张留着。', 'Both sign; one copy each.'],
    ],
    words: [['容缺：这份材料可以后补，先收下办着。', 'May follow later: the matter is taken up without it.']],
    fail: ['材料清单是镇里定的，不对请告诉镇里。', 'The list is the town’s: tell them if it is wrong.'],
  },
  usb: {
    name: ['U盘', 'USB stick'],
    what: ['没有网就用U盘报；每周把数据备份到另一个U盘；电脑坏了，用备份在新电脑上恢复。', 'Report by stick where there is no network; back up every week; restore on another PC.'],
    todo: [
      ['报：插U盘，按“写到U盘”，把写好的文件都带到镇里。', 'Report: write to the stick and bring all files to the town.'],
      ['收：镇里给的回复，插上后按“收下回复”。', "Take in the town's reply."],
      ['备份：用专门的U盘，按“备份到U盘”，锁好。', 'Back up to a stick of its own, and lock it away.'],
    ],
    words: [
      ['换电脑：旧电脑先备份一次、能联网就先报完；新电脑由镇里给“入网文件”，装好后插备份U盘，按“恢复到这个备份”。步骤在“换电脑”里。', 'Another PC: back up the old one, get an enrolment kit from the town, then go back to the backup on the new one.'],
      ['上报的文件有加密，丢了别人看不了；备份没有加密，丢了谁都能看。', 'Files for the town are sealed; a backup is not.'],
    ],
    fail: ['看不到U盘：拔下再插，按“再找一次”。写不上：U盘满了或写保护。收不下的回复请镇里重写。', 'If the stick is not there pull it out and try again; full or write-protected sticks are not written to.'],
  },
  pending: {
    name: ['待上报', 'To be sent'],
    what: ['还没到镇里的记录，一条一条都在这里。', 'What is not with the town yet.'],
    todo: [
      ['看看是哪几条，点进去可以再改。', 'Look at them, open them.'],
      ['联上网不用管，自己会报；首页可以点“现在上报”。', 'With a network they go by themselves.'],
      ['一直没网：到“U盘”里按“写到U盘”，带去镇里。', 'Without one: by stick.'],
    ],
    words: [['N 处改动：同一条改了几次，几次一起报。', 'Changes: several of one record are sent together.']],
    fail: ['联着网还是报不上：看首页写的原因；写着镇服务器不认识本机就打电话给镇里。', 'If it is not sent although there is a network the reason stands on the first page.'],
  },
  returned: {
    name: ['被退回的', 'Sent back'],
    what: ['镇里觉得要改的，和没通过检查的，都写着原因。', 'What is to be corrected, with the reason.'],
    todo: [
      ['看“原因”。', 'Read the reason.'],
      ['点“去更正”，改好保存，就重新交上去了。', 'Correct and save: it is handed in again.'],
      ['不明白的打电话问镇里。', 'Ask the town if it is not clear.'],
    ],
    words: [['退回不是删除：内容都在，改好再交就行。', 'Sent back is not deleted.']],
    fail: FORM_FAIL,
  },
  conflicts: {
    name: ['两边都改过的', 'Changed on both sides'],
    what: ['同一项，村里和镇里（或另一台电脑）都改了，内容不一样；或者一边删了、一边改了。每一项选一个。', 'One field changed on two sides, or deleted on one and changed on the other: choose for each.'],
    todo: [
      ['看两边各写了什么、谁、什么时候。', 'See who wrote what and when.'],
      ['选对的那个。', 'Choose the right one.'],
      ['拿不准先不选，打电话核对。', 'If in doubt ask first.'],
    ],
    words: [['现在用的：没选之前，暂时算数的那个。', 'In use now: the one that counts until you choose.']],
    fail: ['选错了内容，可以到“修改”里改回来，两边写过的都留在修改经过里；选错了删除，到“回收站”恢复，选错了不删，再删一次。', 'A wrong choice can be edited: both values stay in the history. A wrong deletion is brought back from the recycle bin, what should be deleted is deleted again.'],
  },
  bin: {
    name: ['回收站', 'Recycle bin'],
    what: ['删掉的都在这里，能恢复，不会真的没了。', 'What was deleted, to be brought back.'],
    todo: [
      ['在上面选哪一种，或看全部。', 'Choose a kind, or all.'],
      ['点“恢复”，回到原来的列表。', 'Bring it back.'],
      ['点名字看它写了什么、谁删的、为什么。', 'See who deleted it and why.'],
    ],
    words: [['镇里删的：原因写在后面，恢复前先问镇里。', 'Deleted by the town: ask before bringing it back.']],
    fail: ['恢复不了：多半是同样的又登记过一条，先看看新的那条。', 'It cannot be brought back when the same was entered anew.'],
  },
  settings: {
    name: ['设置', 'Settings'],
    what: ['字号、语言、自己的密码；管理员还管本村的账号。', 'Type size, language, password, accounts.'],
    todo: [
      ['字看不清：选“大”或“特大”。', 'Larger type.'],
      ['改密码：六位以上，别用生日。', 'Change your password.'],
      ['换人接手：管理员点“换人接手”，没填完的表会转过去。', 'Hand over to somebody else.'],
    ],
    words: [['镇里管理的账号：由镇里开、停，这里只能重设密码。', 'Accounts kept by the town.']],
    fail: ['忘了密码：请本村管理员重设；管理员自己忘了，打电话给镇里。', 'A forgotten password is set anew by the administrator, or by the town.'],
  },
  help: {
    name: ['帮助', 'Help'],
    what: ['每一页、每一种登记都有说明，不用上网。', 'Every page and every kind of record is explained, offline.'],
    todo: [
      ['在任何一页按上面的“帮助”（或键盘 F1），看这一页的说明。', 'Press "? Help" (or F1) on any page.'],
      ['在这里点要看的那一项。', 'Choose a topic here.'],
      ['想试一试：点“先去练习”，练习里的人都是编的。', 'Try it in the training copy.'],
    ],
    words: [['上手引导：第一次用时一步步带着做，随时可以再看。', 'First steps: can be seen again.']],
    fail: ['这里没写清楚的，打电话问镇里。', 'Ask the town.'],
  },
};

export const TYPES: Record<string, Help> = {
  person: {
    what: ['本村服务对象的档案，一人一份：退役军人、烈属、军属都在这里。别的登记（走访、帮扶、光荣牌）都挂在他名下。', "Everybody whom the station looks after, one file each; all else hangs on it."],
    todo: [
      ['新增：填身份证号，出生日期、性别自己出来；重复的马上提醒。', 'Add: the ID number fills in birth and sex; doubles are said at once.'],
      ['点名字看他的卡片：身份、服役、家庭、优待、走访、帮扶，往下是他的大事记。', 'Open the card: all about him, and what happened when.'],
      ['人多就“从表格导入”。', 'Import many from a table.'],
    ],
    words: [
      ['在册：镇里核定过，算进人数。待镇核：交上去了，镇里还没核。草稿：村里先记着，还没交。', 'On the register: confirmed by the town and counted; till then it waits for the town, or is a draft.'],
      ['人户一致：户口在本村、人也住在本村。', 'Lives where he is registered.'],
      ['申请更正：在册的人，姓名、身份证号不能直接改，要镇里同意。', 'Ask for a correction: names and ID numbers on the register are changed with the town.'],
      ['申请转入：人从镇里别的村搬来了，请镇里把档案转过来，不要重新登记。', 'Claim: somebody moved here from another village; the town moves the file.'],
    ],
    fail: ['提醒已经登记过：点那个名字看是不是同一个人；是就不要再登记。身份证号校验不对：对着证件再看一遍，最后一位可能是 X。', 'If he is there already open that file. A wrong check digit: look at the card again.'],
  },
  person_identity: {
    what: ['一个人是哪一类：退役士兵、残疾军人、烈属、军属……一人可以有几类。', 'Which kinds of person he is; there may be several.'],
    todo: [['在人的卡片“身份”里点“登记”。', "Enter it from the person's card."], ['残疾的填等级和性质；烈属填烈士姓名和关系。', 'Grade and kind of disability; of whom he is the next of kin.'], ['变了就改原来那条，不要再加一条一样的。', 'Edit it when it changes.']],
    words: [['证件编号：残疾军人证、烈属证上的号。', 'The number on the certificate.'], STATE],
    fail: FORM_FAIL,
  },
  service_history: {
    what: ['他当兵的经历：哪年入伍、哪年退役、参战参试、立功、怎么安置的。', 'When and where he served.'],
    todo: [['照退役证填入伍、退役日期。', 'Dates from the discharge papers.'], ['参过战、参加过核试验的勾上。', 'Tick combat and nuclear tests.'], ['两次入伍就登记两条。', 'One record for each time.']],
    words: [['部队公开代号：如某某部队，不写番号和驻地。', 'Public code of the unit only.'], ['参试：参加过核试验。', 'Took part in nuclear tests.']],
    fail: FORM_FAIL,
  },
  family_member: {
    what: ['他的家里人，帮扶、慰问军属时要用。', 'His family.'],
    todo: [['从人的卡片“家庭”里点“登记”。', "Enter it from the person's card."], ['现役军人勾上，八一、春节要慰问军属。', 'Tick who is serving now.'], ['家里人自己也是服务对象的，另外给他建档案。', 'Who is looked after himself has a file of his own.']],
    words: [['关系：他是服务对象的什么人。', 'Relation: what he is to the person.']],
    fail: FORM_FAIL,
  },
  benefit: town(
    ['他享受的优待、抚恤：哪一种、从哪天起、批准文号。', 'Benefits: which, since when, by which decision.'],
    ['看他有没有享受、停了没有。', 'See whether he has it.'],
    [['停止日期：从这天起不再享受，后面有原因。', 'Ended: with the reason.']],
    ['该有却没有的：请本人准备材料，给他登记一个“办件”。', 'If it is missing enter a service item for him.'],
  ),
  plaque: {
    what: ['光荣之家牌，一户一块：挂了没有、谁签收、有没有换过。', 'The plaque of honour, one a household.'],
    todo: [['挂牌那天登记户编号、日期、签收人。', 'Enter household, day and who received it.'], ['损坏、搬家、摘牌，在原来那条里改“变动”。', 'Changes go into the same record.'], ['按户编号找，别给一户挂两块。', 'Search by household: never two.']],
    words: [['户编号：和人的档案里填的一样，才对得上。', 'Household number: the same as in the files.'], ['立牌人：这户因为谁挂的牌。', 'For whom it hangs there.']],
    fail: FORM_FAIL,
  },
  pref_card: town(
    ['优待证：办到哪一步、什么时候发的、有效期到哪天。', 'The preferential treatment card: its stage and last day.'],
    ['看办到哪一步：申请、制证、发放。', 'See its stage.'],
    [['过期：卡片上红字写着，请本人到镇里换领。', 'Expired: to be renewed at the town.']],
    ['要办的：请本人带身份证、退役证到镇里。', 'Who wants one goes to the town.'],
  ),
  annual_confirm: {
    what: ['每年确认一次：人还在、还住这儿、待遇照旧。', 'Once a year: he is alive, lives here, all as before.'],
    todo: [['每人每年一条，当面、电话都行，写清方式。', 'One each year.'], ['人不在了、搬走了，写结果，再登记“人户变动”。', 'Enter a change of residence as well when he is gone.'], ['年底前看列表里谁还没确认。', 'See who is missing.']],
    words: [['年度：确认的是哪一年。', 'Which year it is for.'], STATE],
    fail: FORM_FAIL,
  },
  residency_event: {
    what: ['人搬走、搬来、户口迁移、去世，都登记在这里，人数才准。', 'Moves in, moves out and deaths.'],
    todo: [['搬到镇里别的村：选“转出”，镇里把档案转过去。', 'To another village: the town moves the file.'], ['从别的村搬来、本机没有他的：点“申请转入”。', 'From another village: claim him.'], ['去世：写日期，镇里核定后他离册。', 'A death: he leaves the register when the town confirms it.']],
    words: [['等镇里核定：还没算数，两个村的人数都不变。', 'Until the town confirms it nothing changes.']],
    fail: ['转不了、退回来：多半是姓名或身份证号对不上，看原因改好再交。', 'If it comes back the name or the number did not fit.'],
  },
  change_request: {
    what: ['在册的人，姓名、身份证号、待遇这些村里不能直接改，在这里请镇里改。', 'Corrections that only the town may make.'],
    todo: [['选谁、哪一项，填新的内容和理由。', 'Choose whose, which field, the new value and why.'], ['交上去等镇里答复。', 'Wait for the answer.'], ['镇里同意，档案自己改好；不同意，首页“要办的事”里有原因。', 'When it agrees the file is changed; else the reason is on the first page.']],
    words: [['同意、不同意：镇里的答复，首页留 14 天。', 'The answer stays on the first page for 14 days.']],
    fail: ['选不到要改的那一项：那一项村里可以直接改，点“修改”就行。', 'If the field is not offered you may edit it yourself.'],
  },
  visit: {
    what: ['上门看人：春节、八一、国庆慰问，平时走访。', 'Visits: festivals and routine ones.'],
    todo: [['一个人：点“新增”；很多人：点“多人走访登记”，勾名单。', 'One: add; many: tick the list.'], ['写清了解到的情况、给了什么、多少钱。', 'What was learnt, what was given.'], ['答应办的事写进“后续事项”，再填“后续办理日期”，到日子首页会提醒。', 'What was promised goes into follow-up with its day: the first page reminds you.']],
    words: [['走访时机：春节、八一……平时走访选“日常”。', 'Occasion: the festival, or routine.'], ['后续办理日期：到这天还没再去，首页就提醒；再走访一次就算办了。', 'Follow-up day: the first page reminds until the person is visited again.'], STATE],
    fail: FORM_FAIL,
  },
  contact_plan: {
    what: ['谁负责常联系谁、多久一次。到日子首页会提醒。', 'Who keeps in touch with whom, how often; the first page reminds you.'],
    todo: [['选联系对象、联系人、频次、从哪天起。', 'Choose both, how often, since when.'], ['到期去走访，登记走访后自动往后推。', 'A visit moves the next day on.'], ['不再联系了填“结束日期”。', 'End it by its last day.']],
    words: [['频次：每月、每季、半年、一年一次。', 'How often.']],
    fail: FORM_FAIL,
  },
  consultation: {
    what: ['有人来问、打电话问政策，按次数记。', 'Questions asked, by number.'],
    todo: [['最快：点“咨询计数”，一下一次。', 'Quickest: one tap each.'], ['补记：点“新增”，写日期、几次。', 'Add a number later.'], ['要登记姓名、诉求的，用“来访接待”。', 'With name and request: a reception.']],
    words: [['次数：同一个人问三件事算三次。', 'Three questions of one person are three.']],
    fail: FORM_FAIL,
  },
  reception: {
    what: ['人到服务站来反映事情：谁、什么事、怎么答复的。', 'Visitors: who, what about, what was answered.'],
    todo: [['写来访时间、人数、诉求、答复。', 'Time, number, request, answer.'], ['接待人选自己或同事。', 'Choose who received him.'], ['当场办不了的，处理结果选“转办”，再登记“办件”或“信访事项”。', 'What goes on becomes a service item or a petition.']],
    words: [['诉求：他要什么，用他的话写。', 'Request: in his words.'], STATE],
    fail: FORM_FAIL,
  },
  service_item: {
    what: ['替他办一件事：要哪些材料、还缺哪些、办到哪一步、办成没有。', 'A matter done for him: materials, steps, result.'],
    todo: [['选申请人和事项，下面列出材料清单，还缺的打勾。', 'Choose the applicant and the matter; tick what is missing.'], ['存好后点“打印一次性告知单”，交给他。', 'Print the notice for him.'], ['材料补齐了，修改里把勾去掉；办完填结果和办结日期。', 'Untick what came; enter the result.']],
    words: [['容缺材料：可以后补的材料，先收件，到期首页提醒。', 'May follow later: the first page reminds when due.'], ['补齐期限：最晚哪天补来。', 'The last day for it.'], ['跑动次数：他为这件事跑了几趟，越少越好。', 'How many times he had to come.']],
    fail: ['事项找不到：事项目录是镇里定的，请镇里加。材料勾不上：那份不能后补，必须先带来。', 'Matters are the town’s. What cannot be ticked has to be brought first.'],
  },
  aid_case: {
    what: ['困难帮扶、大病报销：从申请、村里核实，到镇里审核、公示、发钱、回访。', 'Aid: from the application to the payment and the visit after it.'],
    todo: [['登记对象、困难情形、申请金额。', 'Enter whom, why, how much.'], ['村里核实后填核实日期和意见，交给镇里。', 'Verify it in the village and hand it in.'], ['钱发了填发放日期，过后回访。', 'Enter the payment, visit him afterwards.']],
    words: [['公示：名单贴出来给大家看的起止日期。', 'Publication: first and last day.'], ['个人自付：医疗总费用减去各类报销。', 'What he paid himself.'], STATE],
    fail: FORM_FAIL,
  },
  petition: {
    what: ['信访：谁反映、什么诉求、受理和办理期限、怎么答复的。', 'Petitions, with their time limits.'],
    todo: [['收到当天登记，写信访人和诉求。', 'Enter it on the day.'], ['看受理、办理期限，别超。', 'Mind the time limits.'], ['答复了填文号和日期，事后回访。', 'Enter the answer, visit afterwards.']],
    words: [['积压：以前就反映过、一直没解决的。', 'Backlog: raised before and not settled.'], ['复查、复核：不服答复，往上一级再看。', 'Reviews by the next level.']],
    fail: FORM_FAIL,
  },
  activity: {
    what: ['服务站办的活动：宣讲、义诊、慰问演出、志愿服务。', 'Activities of the station.'],
    todo: [['写日期、类别、场次、地点、人数。', 'Day, kind, place, number.'], ['哪个队伍办的选“团队”。', 'Choose the team.'], ['一天几场写场次，不用一场一条。', 'Several in a day are one record.']],
    words: [['义务：不收钱的。', 'Voluntary: without pay.']],
    fail: FORM_FAIL,
  },
  honor: {
    what: ['站里或人得的荣誉：名称、谁授的、哪一级、哪天。', 'Honours of the station or of a person.'],
    todo: [['先选对象：人，还是服务站、团队。', 'Choose who got it.'], ['照证书写名称和授予单位。', 'As the certificate says.'], ['级别选对：镇、县、市、省、国家。', 'Choose the level.']],
    words: [['对象：荣誉给了谁。', 'Who was honoured.']],
    fail: FORM_FAIL,
  },
  nil_report: {
    what: ['这个月没有某类事情，也要报一声“没有”，镇里才知道不是漏了。', 'Says that there was nothing of a kind this month.'],
    todo: [['在上面选月份。', 'Choose the month.'], ['按月份底下“没有”的按钮，一项一下。', 'One tap for each kind.'], ['后来又有了，照常登记，零报告自己不算了。', 'If something comes later enter it.']],
    words: [['有记录不用零报告：那个月已经登记过这一类。', 'There is a record already.']],
    fail: ['点不了：那个月那一类已经有记录或已经报过。', 'It is not offered where there is a record or a report.'],
  },
  notice: town(
    ['镇里发给本村的通知，只发给别村的不列。要回执的，看完要点“确认收到”。', "The town's notices to this village; some want a receipt."],
    ['点标题看全文。', 'Read it.'],
    [['回执：告诉镇里本村看到了，可以带一句话。', 'Receipt: tells the town that you read it.']],
    ['要回执的点“确认收到”。', 'Confirm it where a receipt is wanted.'],
  ),
  notice_receipt: {
    what: ['本村对通知的回执：哪天确认收到、说了什么。', "This village's receipts."],
    todo: [['在通知那一页点“确认收到”。', "Confirm on the notice's page."], ['要回复的话写在备注里。', 'Add a remark.'], ['在这里看以前回过的。', 'See former ones here.']],
    words: [['一个通知一张回执。', 'One for each notice.']],
    fail: FORM_FAIL,
  },
  matter: town(
    ['能办哪些事、每件要什么材料、几天办完、依据什么政策。', 'What can be done, with which materials, in how many days.'],
    ['有人来问，点开念给他听：材料、步骤、期限。', 'Open it when somebody asks.'],
    [['容缺：这份材料可以后补。', 'May be late: may follow later.'], ['版本：政策改了会出新版，老的还在。', 'Version: a new one when the rules change.']],
    ['有人要办，给他登记“办件”。', 'Enter a service item for who wants it.'],
  ),
  target: town(
    ['镇里给的年度目标：哪个指标、多少。', 'Targets of the year.'],
    ['看今年本村要完成多少。', 'See what is expected this year.'],
    [['指标：怎么数的，镇里的统计页写着。', 'Figure: how it is counted is on the town’s page.']],
    ['对照自己登记的，差多少早安排。', 'Compare with what is entered.'],
  ),
  org_group: town(
    ['志愿队、宣讲团、老兵调解队这些队伍和成员。', 'Teams and their members.'],
    ['看有哪些队伍、谁在里面。', 'See which there are.'],
    [['成员：从服务对象里选，登记活动时用。', 'Members are chosen from the files.']],
    ['登记“活动”时选是哪个队伍办的。', 'Choose the team in an activity.'],
  ),
  staff_post: town(
    ['服务站有谁、什么岗位、从哪天到哪天。', 'Who works at the station.'],
    ['看自己和同事登记得对不对。', 'See whether it is right.'],
    [['任职止空着：还在岗。', 'No last day: still in office.']],
    ['接待人、联系人就从这里的名字里选。', 'Names in forms come from here.'],
  ),
  station: {
    what: ['本站的情况：站名、办公场所、专职人员、制度上墙、电话。', 'This station: its rooms, staff, telephone.'],
    todo: [['“有办公场所”“有专职人员”“制度已上墙”照实填。', 'Say what there is.'], ['电话换了要改，告知单上印的就是它。', 'Keep the telephone right: it is printed on notices.'], ['站名、级别不对，告诉镇里。', 'Name and level are the town’s.']],
    words: [['示范级别：评上的示范站级别，镇里填。', 'Model station: entered by the town.']],
    fail: FORM_FAIL,
  },
  facility: {
    what: ['站里的场地：接待室、活动室、荣誉墙……面积、哪天用上。', 'Rooms of the station.'],
    todo: [['一处一条。', 'One record each.'], ['写面积和启用日期。', 'Area and first day.'], ['不用了就删除，写原因。', 'Delete it with a reason when it is given up.']],
    words: [['类别：场地做什么用。', 'Kind: what it is for.']],
    fail: FORM_FAIL,
  },
  signboard: {
    what: ['挂在墙上的制度、流程图版：哪一类、几块、哪天挂的。', 'Rules on the wall.'],
    todo: [['一类一条，写几块。', 'One record a kind.'], ['换新的再登记一条，旧的删除。', 'Replace: a new record, the old one deleted.'], ['挂好后到“服务站”勾“制度已上墙”。', 'Tick it at the station as well.']],
    words: [['图版：展板、制度牌。', 'Boards.']],
    fail: FORM_FAIL,
  },
  asset: {
    what: ['给服务站买的东西：什么、几件、多少钱、钱从哪来。', 'What was bought for the station.'],
    todo: [['照发票填物品、数量、金额。', 'As the invoice says.'], ['资金来源选对。', 'Choose where the money came from.'], ['一张发票几样东西，分几条记。', 'One record for each thing.']],
    words: [['金额：这一条的总价，单位元。', 'Amount: the total, in yuan.']],
    fail: FORM_FAIL,
  },
  model_case: {
    what: ['先进典型：谁、做了什么、什么时候宣传的。', 'Good examples.'],
    todo: [['选人物，写标题和事迹。', 'Whom, title, story.'], ['先问本人同不同意公开。', 'Ask for consent.'], ['发布了填日期。', 'Enter the day.']],
    words: [['本人同意公开：没同意的不能往外发。', 'Consent: without it nothing is published.']],
    fail: FORM_FAIL,
  },
  media_report: {
    what: ['报纸、电视、公众号报道过服务站或退役军人。', 'Reports in the media.'],
    todo: [['写媒体、栏目、日期。', 'Medium, column, day.'], ['写报道了谁。', 'Whom it is about.'], ['有照片的写明肖像同意。', 'Consent for pictures.']],
    words: [['肖像同意：本人同意登他的照片。', 'Consent to show his picture.']],
    fail: FORM_FAIL,
  },
  attachment: {
    what: ['记录所附的文件（证件照、审批表）。现在只登记有哪些，文件本身不在这里传。', 'Files that belong to records. For now only what there is: the files themselves do not travel.'],
    todo: [['看一条记录附了什么。', 'See what a record has.'], ['纸质材料照旧放档案盒。', 'Keep the paper in its box.'], ['要交文件给镇里，用U盘或当面交。', 'Hand files over in person.']],
    words: [['散列：证明文件没被改过的一串字，由程序算。', 'Hash: computed by the program.']],
    fail: ['这里不能手工新增：文件怎么传还没有定。', 'None can be added by hand: how files travel is not decided yet.'],
  },
  station_assessment: town(
    ['镇里每年按“五有”评本站：机构、编制、人员、经费、保障。', 'The yearly assessment by the five haves.'],
    ['看今年得分、哪一项没有。', 'See the score and what is missing.'],
    [['五有：有机构、有编制、有人员、有经费、有保障。', 'The five haves: organisation, posts, staff, money, support.']],
    ['缺的早准备，补好告诉镇里。', 'Prepare what is missing.'],
  ),
  area_unit: town(
    ['镇里各村、各办事处的名称和代码。', 'Villages and offices, with their codes.'],
    ['查村名和代码。', 'Look up a code.'],
    [['撤并：这个村并到别的村了，后面写并到哪。', 'Merged: into which one.']],
    ['表格里的村名要和这里写得一样。', 'Names in tables must be as here.'],
  ),
  period_lock: town(
    ['镇里锁定的报告期：这段日子里核实过的记录不能再改。', 'Periods in which nothing is changed any more.'],
    ['看哪段日子锁了。', 'See which days are locked.'],
    [['锁定：数字已经报上去了。', 'Locked: the figures were reported.']],
    ['锁定期内要改的，打电话给镇里。', 'Ask the town for changes inside it.'],
  ),
  setting: town(
    ['镇里定的规矩：月报几号前、几天没联系算久、档案要填哪些项。', "The town's settings."],
    ['看某一项现在是多少。', 'See a value.'],
    [['取值：现在用的数。', 'Value: in force now.']],
    ['按它安排月报和建档。', 'Plan by it.'],
  ),
};
