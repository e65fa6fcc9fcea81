"""Who may ring whom: Asterisk's dialplan for extensions and for direct addresses."""

from typing import Final


def extensions_conf(agi: str = "") -> str:
    """The dialplan. `agi` (`host:port`) is who is asked first, before the database itself; nobody, if it is empty."""
    asks, helps = (ASKS.replace("AGI_ADDRESS", agi), HELPS) if agi else ("", "")
    return DIALPLAN.replace("ASKS\n", asks).replace("HELPS\n", helps)


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
 same => n,Goto(let-in,direct,1)
exten => _[0-9A-Za-z+_.]!,1,Set(TEXT=${EXTEN})
 same => n,Goto(let-in,number,1)

[let-in]
exten => direct,1,Set(SOURCE=${FILTER(0-9a-f.:,${TOLOWER(${PJSIP_HEADER(read,X-Ringback-Source)})})})
 same => n,Set(NAME=${FILTER(0-9A-Za-z@+_.\-,${PJSIP_HEADER(read,X-Ringback-Phone)})})
 same => n,Set(KIND=phone)
 same => n,GotoIf($["${NAME}" = ""]?trunk)
 same => n,CELGenUserEvent(PHONE,${NAME}) ; the record of the call names it
 same => n,Goto(direct-of,s,1)
 same => n(trunk),Set(NAME=${FILTER(0-9a-z.\-,${PJSIP_HEADER(read,X-Ringback-Trunk)})})
 same => n,Set(KIND=${IF($["${NAME}" = ""]?stranger:trunk)})
 same => n,GotoIf($["${NAME}" = ""]?direct-of,s,1)
 same => n,CELGenUserEvent(TRUNK,${NAME})
 same => n,Goto(direct-of,s,1)
exten => number,1,Set(NAME=${FILTER(0-9A-Za-z@+_.\-,${PJSIP_HEADER(read,X-Ringback-Phone)})})
 same => n,Set(KIND=phone)
 same => n,GotoIf($["${NAME}" = ""]?trunk)
 same => n,CELGenUserEvent(PHONE,${NAME})
 same => n,Goto(number,s,1)
 same => n(trunk),Set(NAME=${FILTER(0-9a-z.\-,${PJSIP_HEADER(read,X-Ringback-Trunk)})})
 same => n,Set(KIND=trunk)
 same => n,GotoIf($["${NAME}" = ""]?unknown)
 same => n,CELGenUserEvent(TRUNK,${NAME})
 same => n,Goto(number,s,1)
 same => n(unknown),Hangup(1) ; 404

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
; for), nothing.
[go]
exten => s,1,GotoIf($["${ODBCSTATUS}" = "FAILURE" | "${ODBCROWS}" = "-1"]?away)
 same => n,GotoIf($["${ROUTE}" = ""]?unknown)
 same => n,GotoIf($["${ROUTE}" = "frozen"]?frozen)
 same => n,GotoIf($["${ROUTE}" = "limited"]?away)
 same => n,Set(TARGET=${ROUTE})
 same => n,GotoIf($["${CUT(TARGET,@,2)}" = ""]?out,s,1:ring,s,1)
 same => n(away),Hangup(34) ; 503
 same => n(unknown),Hangup(1) ; 404
 same => n(frozen),Hangup(21) ; 403

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
