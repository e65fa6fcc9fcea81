"""Files of other programs over REST: their columns, their encodings, and what spreadsheets make of them."""

from typing import Any

import httpx
import pytest

from tests.api.test_bulk import PHONES, TRUNKS, counts, faults, live, sent, settled
from tests.world import World

pytestmark = pytest.mark.long

SECRET = "3a5d0f3314ad489bf993ad23cade3e93"
FREEPBX = """\
extension,password,name,voicemail,ringtimer,noanswer,recording,outboundcid,sipname,id,tech,dial,devicetype,user,\
description,emergency_cid,account,accountcode,allow,context,devinfo_mailbox,secret,secret_origional,transport,email
1001,,"Doe, Jane",novm,0,,,"""
FREEPBX += f""",,1001,pjsip,PJSIP/1001,fixed,1001,Jane,,1001,,,from-internal,1001@device,{SECRET},{SECRET},0.0.0.0-udp,
0100,,O'Brien,default,0,,,,,0100,pjsip,PJSIP/0100,fixed,0100,O'Brien,,0100,,,from-internal,,{SECRET},,,ob@example.com
"""
CX = f"""\
Number,FirstName,LastName,EmailAddress,MobileNumber,AuthID,AuthPassword,WebMeetingFriendlyName,EnableVoicemail,PIN
1001,Jane,Doe,jane@example.com,,xK3aP0zQ1b,{SECRET},,1,4711
0100,O'Brien,,,,wN3aP0zQ1c,{SECRET},,1,4712
"""
WAZO = f"""\
uuid,firstname,lastname,email,username,password,exten,context,line_protocol,sip_username,sip_secret,voicemail_name
e5a3,Jane,Doe,jane@example.com,jane,other-pass,1001,default,sip,wjane,{SECRET},
e5a4,O'Brien,,,,,0100,default,sip,wobrien,{SECRET},
"""


def faulty(answer: httpx.Response) -> list[str]:
    """What is wrong with the request or with lines of its file."""
    assert answer.status_code == 400, answer.text
    return [f"{one['field']} {one['description']}" for one in answer.json()["error"]["details"]]


async def rows(http: httpx.AsyncClient) -> dict[str, Any]:
    """Number → row of the export."""
    return {row["extension"]: row for row in (await http.get("/v1.0/extensions:export")).json()}


@pytest.mark.parametrize(
    ("program", "file", "name", "usernames"),
    [
        ("freepbx", FREEPBX, "Doe, Jane", ("1001", "0100")),
        ("3cx", CX, "Jane Doe", ("xK3aP0zQ1b", "wN3aP0zQ1c")),
        ("3CX", CX.replace(",", ";").replace("\n", "\r\n"), "Jane Doe", ("xK3aP0zQ1b", "wN3aP0zQ1c")),
        ("wazo", WAZO, "Jane Doe", ("wjane", "wobrien")),
    ],
)
async def test_an_export_of_another_program_makes_its_phones(
    http: httpx.AsyncClient, program: str, file: str, name: str, usernames: tuple[str, str]
) -> None:
    made = await sent(http, file, columns=program, passwords="given")
    again = await sent(http, file, columns=program, passwords="given")

    assert (counts(made), counts(again)) == ((2, 0, 0, 0, 0), (0, 0, 2, 0, 0))
    found = await rows(http)
    assert (found["1001"]["name"], found["0100"]["name"]) == (name, "O'Brien")
    assert (found["1001"]["username"], found["0100"]["username"]) == usernames


async def test_columns_of_ones_own_may_be_said_by_name(http: httpx.AsyncClient) -> None:
    file = "Ext No;Büro;First-Name ;Last name;Unused;Unused\n1001;2. OG;Jane;;x;y\n1002;;  ;Doe ;;\n"

    answer = await sent(http, file, columns=" ext no:extension, Last name + first_name:name ,BÜRO:detail")
    more = await sent(http, FREEPBX, columns="freepbx,devinfo_mailbox:detail", on_conflict="update")

    assert (counts(answer), counts(more)) == ((2, 0, 0, 0, 0), (1, 1, 0, 0, 0))
    found = await rows(http)
    assert [(found[number]["name"], found[number]["detail"]) for number in ("1001", "1002")] == [
        ("Doe, Jane", "1001@device"), ("Doe", "")
    ]  # fmt: skip


async def test_all_that_is_wrong_with_columns_is_told_at_once(http: httpx.AsyncClient, world: World) -> None:
    said = "Number:secret,asterisk,Name:name,Other:name,+a:detail"

    asked = faulty(await sent(http, CX, columns=said, mode="some"))
    header = faulty(await sent(http, "Number,first,number\n1001,a,b\n", columns="3cx"))
    nothing = faulty(await sent(http, CX, columns="AuthID:username"))
    array = await http.post(PHONES, json=[], params={"columns": "3cx"})
    trunks = faulty(await sent(http, CX, TRUNKS, columns="freepbx"))

    assert [line.split()[0] for line in asked] == ["mode", "columns", "columns", "columns", "columns"]
    for words in ("'secret', which is not a field", "'asterisk', which is neither", "says name twice", "'+a:detail'"):
        assert any(words in line for line in asked), words
    assert header == [
        "Number stands twice in the header",
        *(f"{name} is required in the header" for name in ("FirstName", "LastName", "AuthID", "AuthPassword")),
    ]
    assert nothing == ["columns must say which column is extension"]
    assert faulty(array) == ["columns is for CSV alone"]
    assert "one of no programs" in trunks[0]
    assert live(world) == 0
    settled(world)


async def test_without_columns_those_of_other_programs_are_faults_all_of_them(http: httpx.AsyncClient) -> None:
    known = faulty(await sent(http, "extension,Secret,name,Mail\n"))
    headless = faulty(await sent(http, f"1001,Jane,{SECRET}\n"))

    assert [line.split()[0] for line in known] == ["Secret", "Mail"]
    assert len(headless) == 1
    assert SECRET not in headless[0]
    assert "said by `columns`" in headless[0]


async def test_numbers_that_were_in_a_spreadsheet_are_whole_again_or_faults(
    http: httpx.AsyncClient, world: World
) -> None:
    file = "No\n1001.0\n 1002 \n0100\n4.93012E+10\n+49 30 1234\n+49301234\n"

    answer = await sent(http, file, columns="No:extension", mode="row_by_row")

    assert faults(answer) == [(5, "extension"), (6, "extension")]
    assert "rounded" in answer.json()["faults"][0]["description"]
    assert set(await rows(http)) == {"1001", "1002", "0100", "+49301234"}


@pytest.mark.parametrize("charset", ["windows-1252", "latin1", "UTF-16", "utf-8"])
async def test_a_csv_may_be_in_another_encoding_that_it_names(http: httpx.AsyncClient, charset: str) -> None:
    file = "extension;name\n1001;Müller\n1002;Zoë\n".encode(charset)

    answer = await http.post(PHONES, content=file, headers={"content-type": f'text/csv; charset="{charset}"'})

    assert counts(answer) == (2, 0, 0, 0, 0)
    assert [row["name"] for row in (await rows(http)).values()] == ["Zoë", "Müller"]


async def test_an_encoding_that_is_not_the_files_or_not_known_is_refused(http: httpx.AsyncClient, world: World) -> None:
    file = "extension;name\n1001;Ann\n1002;Zoë\n".encode("windows-1252")

    other = await sent(http, file)
    wrong = await http.post(
        PHONES, content=b"extension\n\x81\n", headers={"content-type": "text/csv; charset=windows-1252"}
    )
    unknown = [
        (await http.post(PHONES, content=file, headers={"content-type": media})).status_code
        for media in ("text/csv; charset=punycode", "text/csv; charset=\0", "application/json; charset=windows-1252")
    ]

    assert faults(other) == [(3, "")]
    assert "windows-1252" in other.text
    assert faults(wrong) == [(2, "")]
    assert unknown == [415, 415, 415]
    assert live(world) == 0


async def test_awkward_texts_are_kept_or_refused_and_an_export_is_what_they_are(
    http: httpx.AsyncClient, world: World
) -> None:
    kept = [
        "😀 Zoë",
        "שלום (Jane)",
        "O'Brien",
        '"Doe, Jane"',
        " both ends ",
        "=cmd()|'/c calc'!A0",
        "@x",
        "-1",
        "x" * 255,
    ]
    refused = ["a\tb", "a\0b", "a\nb", "x" * 256]
    quoted = ['"' + name.replace('"', '""') + '"' for name in kept + refused]
    file = "Number,Shown\n" + "".join(f"{1000 + at},{name}\n" for at, name in enumerate(quoted))

    answer = await sent(http, file, columns="Number:extension,Shown:name", mode="row_by_row")
    given = await http.get("/v1.0/extensions:export?format=csv")
    again = await sent(http, given.content)

    assert counts(answer) == (len(kept), 0, 0, 0, len(refused))
    assert {field for _, field in faults(answer)} == {"name"}
    assert {row["name"] for row in (await rows(http)).values()} == set(kept)
    assert ",=cmd()|'/c calc'!A0," in given.text
    assert counts(again) == (0, 0, len(kept), 0, 0)
