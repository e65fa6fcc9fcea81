"""Who may ring whom: Asterisk's dialplan for extensions and for direct addresses."""

from typing import Final


def extensions_conf(agi: str = "", screen: str = "") -> str:
    """The dialplan. `agi` (`host:port`) is who is asked first, before the database itself; nobody, if it is empty.

    `screen` is who runs the policies that customers have for calls to their direct addresses."""
    asks, helps = (ASKS.replace("AGI_ADDRESS", agi), HELPS) if agi else ("", "")
    screens = SCREENS.replace("SCREEN_ADDRESS", screen) if screen else ""
    return DIALPLAN.replace("ASKS\n", asks).replace("HELPS\n", helps).replace("SCREENS\n", screens)


ASKS: Final = r"""; call-manager decides. While it is away, the database is asked here, and calls go on; so they do
; when it has said nothing for three seconds, by the "T" below: AGI itself would wait for ever.
 same => n,Set(ROUTE=unasked)
 same => n,Set(AGIEXITONHANGUP=yes)
 same => n,GotoIf($["${SOURCE}" != ""]?ask)
 same => n,Set(SOURCE=${CHANNEL(pjsip,remote_addr)})
 same => n(ask),Set(TIMEOUT(absolute)=3)
 same => n,AGI(agi://AGI_ADDRESS/route,${KIND},${NAME},${CALLED},${SOURCE})
 same => n,Set(TIMEOUT(absolute)=0)
 same => n,GotoIf($["${ROUTE}" != "unasked"]?go,s,1)
"""
HELPS: Final = "exten => T,1,Goto(s,unasked)\n"
"""In each context that asks: when nothing was answered in time."""
SCREENS: Final = r"""; Asked by HTTP, which waits as long as it is told, and no longer for a connection, as AGI does.
; The answer is "reject", or "pass" and what becomes of the caller's number and name, escaped as in addresses: nothing,
; or a colon and the text. Whatever else comes is none. What the caller says is posted: of a failure Asterisk logs the
; address that was asked.
 same => n,Set(CURLOPT(httptimeout)=$[${CUT(ROUTE,\,,3)} / 1000])
 same => n,Set(CURLOPT(proxy)=)
 same => n,Set(WHO=caller=${URIENCODE(${CALLERID(num):0:80})}&caller_name=${URIENCODE(${CALLERID(name):0:80})})
 same => n,Set(WHOSE=customer_id=${CUT(ROUTE,\,,5)}&policy_id=${CUT(ROUTE,\,,4)}&extension_id=${CUT(ROUTE,\,,6)})
 same => n,Set(ANSWER=${CURL(http://SCREEN_ADDRESS/screen?${WHOSE}&deadline_ms=${CUT(ROUTE,\,,3)},${WHO})})
 same => n,Set(WORD=${FILTER(a-z,${CUT(ANSWER,|,1)})})
"""
DIALPLAN: Final = r"""; Who may ring whom. Written by `ringback sip asterisk-config`.
[general]
static=yes
writeprotect=yes

; Each start comes here once (cli.conf): a mark among the events of calls that those of before are over.
[ringback-started]
exten => s,1,Hangup()

; A registered phone. It rings its own customer's extensions, any direct address, and by the customer's trunk the world.
[default]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Set(TEXT=${EXTEN:7})
 same => n,Set(KIND=phone)
 same => n,Set(NAME=${CHANNEL(endpoint)})
 same => n,Goto(direct-of,s,1)
exten => _[0-9A-Za-z+_.]!,1,Set(TEXT=${EXTEN})
 same => n,Set(KIND=phone)
 same => n,Set(NAME=${CHANNEL(endpoint)})
 same => n,Goto(number,s,1) ; a context of its own: here "h" is a number, there it is not run on hangup

; Anybody, registered or not: sip:direct.<hash>@..., in any letter case.
[direct]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Set(TEXT=${EXTEN:7})
 same => n,Set(KIND=stranger)
 same => n,Goto(direct-of,s,1)

; A phone or a trunk that the edge has let in. Its name stands in a header that the edge takes away from whoever else
; sends it, and that is read here alone, from the edge's own address; without one it is a stranger's call. So does the
; address that the call came from: who guesses at addresses is that one, not the edge.
[edge]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Set(TEXT=${EXTEN:7})
 same => n,Set(ASKED=direct-of)
 same => n,Goto(let-in,s,1)
exten => _[0-9A-Za-z+_.]!,1,Set(TEXT=${EXTEN})
 same => n,Set(ASKED=number)
 same => n,Goto(let-in,s,1)

; The record of the call names the phone or the trunk.
[let-in]
exten => s,1,Set(SOURCE=${FILTER(0-9a-f.:,${TOLOWER(${PJSIP_HEADER(read,X-Ringback-Source)})})})
 same => n,Set(KIND=phone)
 same => n,Set(NAME=${FILTER(0-9A-Za-z@+_.\-,${PJSIP_HEADER(read,X-Ringback-Phone)})})
 same => n,GotoIf($["${NAME}" != ""]?known)
 same => n,Set(KIND=trunk)
 same => n,Set(NAME=${FILTER(0-9a-z.\-,${PJSIP_HEADER(read,X-Ringback-Trunk)})})
 same => n,GotoIf($["${NAME}" != ""]?known)
 same => n,Set(KIND=stranger)
 same => n,GotoIf($["${ASKED}" = "direct-of"]?direct-of,s,1)
 same => n,Hangup(1) ; 404
 same => n(known),CELGenUserEvent(${TOUPPER(${KIND})},${NAME})
 same => n,Goto(${ASKED},s,1)

; TEXT is called, a number of the caller's own customer. The domain is that of the endpoint that has proved its
; password, or a trunk's: no call leaves its customer.
[number]
exten => s,1,Set(PLAIN=${FILTER(0-9A-Za-z+_.\-,${TEXT})})
 same => n,GotoIf($[${LEN(${PLAIN})} != ${LEN(${TEXT})} | ${LEN(${PLAIN})} > 40]?unknown)
 same => n,Set(CALLED=${PLAIN})
ASKS
 same => n(unasked),Goto(${KIND})
 same => n(trunk),Set(ROUTE=${RINGBACK_TRUNK_NUMBER(${TOLOWER(${PLAIN})},${NAME})})
 same => n,Goto(asked)
 same => n(phone),Set(ROUTE=${RINGBACK_NUMBER(${PLAIN}@${CUT(NAME,@,2)})})
 same => n,GotoIf($["${ROUTE}" != "" | "${ODBCSTATUS}" = "FAILURE" | "${ODBCROWS}" = "-1"]?asked)
; No extension. What is 2 to 32 digits, a + before them or not, goes out by the trunk of the phone's customer for that.
 same => n,Set(PLAIN=${IF($["${PLAIN:0:1}" = "+"]?${PLAIN:1}:${PLAIN})})
 same => n,GotoIf($[${LEN(${FILTER(0-9,${PLAIN})})} != ${LEN(${PLAIN})}]?unknown)
 same => n,GotoIf($[${LEN(${PLAIN})} < 2 | ${LEN(${PLAIN})} > 32]?unknown)
 same => n,Set(ROUTE=${RINGBACK_WAY_OUT(${NAME})})
 same => n,Goto(go,s,1)
 same => n(asked),GotoIf($["${ROUTE}" = ""]?go,s,1)
 same => n,GotoIf($["${ROUTE}" = "frozen"]?go,s,1)
 same => n,GotoIf($["${CUT(ROUTE,@,1)}" = "${PLAIN}"]?go,s,1) ; MariaDB compares without letter case
 same => n(unknown),Hangup(1) ; 404
HELPS

; TEXT is the hash of a direct address, or something else.
[direct-of]
exten => s,1,Set(HASH=${FILTER(0-9a-f,${TOLOWER(${TEXT})})})
 same => n,GotoIf($[${LEN(${HASH})} != ${LEN(${TEXT})} | ${LEN(${HASH})} > 64]?unknown)
 same => n,Set(CALLED=direct.${HASH})
ASKS
 same => n(unasked),Goto(${KIND})
 same => n(phone),Set(ROUTE=${RINGBACK_PHONE_DIRECT(${HASH},${NAME})})
 same => n,Goto(go,s,1)
 same => n(trunk),Set(ROUTE=${RINGBACK_TRUNK_DIRECT(${HASH},${NAME})})
 same => n,Goto(go,s,1)
 same => n(stranger),Set(ROUTE=${RINGBACK_DIRECT(${HASH})})
 same => n,Goto(go,s,1)
 same => n(unknown),Hangup(1) ; 404
HELPS

; What was answered: an endpoint, the domain of a trunk, "frozen", "limited" (too many unknown addresses were asked
; for), nothing. Of a direct address five fields more may stand behind it, with commas: the policy that its calls go
; through first.
[go]
exten => s,1,GotoIf($["${ODBCSTATUS}" = "FAILURE" | "${ODBCROWS}" = "-1"]?away)
 same => n,GotoIf($["${ROUTE}" = ""]?unknown)
 same => n,Set(TARGET=${CUT(ROUTE,\,,1)})
 same => n,GotoIf($["${TARGET}" = "frozen"]?frozen)
 same => n,GotoIf($["${TARGET}" = "limited"]?away)
 same => n,GotoIf($["${CUT(TARGET,@,2)}" = ""]?out,s,1)
 same => n,GotoIf($["${CUT(ROUTE,\,,2)}" = ""]?ring,s,1:screen,s,1)
 same => n(away),Hangup(34) ; 503
 same => n(unknown),Hangup(1) ; 404
 same => n(frozen),Hangup(21) ; 403

; The customer of TARGET has calls to direct addresses run through a policy, for as long as the third field of ROUTE
; says in milliseconds. Without an answer the second decides: the call goes on ("open"), or does not.
[screen]
exten => s,1,Set(WORD=)
SCREENS
 same => n,GotoIf($["${WORD}" = "pass"]?pass)
 same => n,GotoIf($["${WORD}" = "reject"]?reject)
 same => n,GotoIf($["${CUT(ROUTE,\,,2)}" = "open"]?ring,s,1)
 same => n,CELGenUserEvent(UNSCREENED,${TARGET}) ; the record of the call says so
 same => n,Hangup(42) ; 503, and a Reason by which the edge knows that no other Asterisk is to be asked
 same => n(reject),CELGenUserEvent(REJECTED,${TARGET})
 same => n,Hangup(21) ; 403
 same => n(pass),Set(NUMBER=${CUT(ANSWER,|,2)})
 same => n,GotoIf($["${NUMBER}" = ""]?name)
 same => n,Set(CALLERID(num)=${URIDECODE(${NUMBER:1})})
 same => n(name),Set(NAMED=${CUT(ANSWER,|,3)})
 same => n,GotoIf($["${NAMED}" = ""]?ring,s,1)
 same => n,Set(CALLERID(name)=${URIDECODE(${NAMED:1})})
 same => n,Goto(ring,s,1)

; All contacts of TARGET at once, 60 s. Whoever answers with another address is not followed ("i"): Asterisk would take
; that text for a channel to dial, any customer's. A phone may also have said that it is at an address of ours: a header
; says how often we have made a call of a call, and the third time nobody is rung.
[ring]
exten => s,1,Set(HOPS=${FILTER(0-9,${PJSIP_HEADER(read,X-Ringback-Hops)})})
 same => n,GotoIf($["0${HOPS}" != "0" & "${HOPS}" != "1"]?absent)
 same => n,Set(RING=${PJSIP_DIAL_CONTACTS(${TARGET})})
 same => n,GotoIf($["${RING}" = ""]?absent)
; A contact is the phone's own text: with "&" or "," in it, it could ring another customer's phone. So each "&"
; must begin a contact of TARGET; else only one contact is rung, by a string that holds none of that text.
 same => n,Set(REST=&${RING})
 same => n,Set(REST=${STRREPLACE(REST,&PJSIP/${TARGET}/)})
 same => n,GotoIf($[${FIELDQTY(REST,&)} > 1 | ${FIELDQTY(REST,\,)} > 1]?one)
 same => n,Dial(${RING},60,ib(hop^s^1(${HOPS})))
 same => n,Goto(ended)
 same => n(one),Dial(PJSIP/${TARGET},60,ib(hop^s^1(${HOPS})))
 same => n(ended),Hangup(${IF($[0${HANGUPCAUSE} > 0]?${HANGUPCAUSE}:19)}) ; nobody has answered: 480
 same => n(absent),Hangup(20) ; 480

; On each channel to a phone, before it is rung: its INVITE says so.
[hop]
exten => s,1,Set(PJSIP_HEADER(add,X-Ringback-Hops)=$[0${ARG1} + 1])
 same => n,Return()

; Out by the trunk TARGET, 60 s: the edge knows where that is. The caller is the extension, and what its phone calls
; itself as far as it is plain.
[out]
exten => s,1,Set(CALLERID(num)=${CUT(NAME,@,1)})
 same => n,Set(CALLERID(name)=${FILTER(0-9A-Za-z .\-,${CALLERID(name)})})
 same => n,CELGenUserEvent(TRUNK,${TARGET})
 same => n,Dial(PJSIP/edge/sip:${CALLED}@${TARGET},60,i)
 same => n,Goto(ring,s,ended)
"""
