"""Who may ring whom: Asterisk's dialplan for extensions and for direct addresses."""

EXTENSIONS_CONF = r"""; Who may ring whom. Written by `ringback sip asterisk-config`.
[general]
static=yes
writeprotect=yes

; A registered phone. It rings its own customer's extensions, and any direct address.
[default]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Goto(direct,${EXTEN},1)
exten => _[0-9A-Za-z+_.]!,1,Set(NUMBER=${EXTEN})
 same => n,Goto(number,s,1) ; a context of its own: here "h" is a number, there it is not run on hangup

; NUMBER of the caller's own customer. The domain is that of the endpoint that has proved its password:
; no call leaves its customer.
[number]
exten => s,1,Set(PLAIN=${FILTER(0-9A-Za-z+_.\-,${NUMBER})})
 same => n,GotoIf($[${LEN(${PLAIN})} != ${LEN(${NUMBER})}]?unknown)
 same => n,Set(TARGET=${PLAIN}@${CUT(CHANNEL(endpoint),@,2)})
 same => n,GotoIf($["${REALTIME_FIELD(ps_endpoints,id,${TARGET},id)}" = "${TARGET}"]?ring,s,1)
 same => n(unknown),Hangup(1) ; 404

; Anybody, registered or not: sip:direct.<hash>@..., in any letter case. The view has live hashes only.
[direct]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Set(HASH=${FILTER(0-9a-f,${TOLOWER(${EXTEN:7})})})
 same => n,GotoIf($[${LEN(${HASH})} != ${LEN(${EXTEN:7})}]?unknown)
 same => n,Set(TARGET=${REALTIME_FIELD(ringback_directs,hash,${HASH},endpoint)})
 same => n,GotoIf($["${TARGET}" != ""]?ring,s,1)
 same => n(unknown),Hangup(1) ; 404

; All contacts of TARGET at once, 60 s.
[ring]
exten => s,1,Set(RING=${PJSIP_DIAL_CONTACTS(${TARGET})})
 same => n,GotoIf($["${RING}" = ""]?absent)
; A contact is the phone's own text: with "&" or "," in it, it could ring another customer's phone. So each "&"
; must begin a contact of TARGET; else only one contact is rung, by a string that holds none of that text.
 same => n,Set(REST=&${RING})
 same => n,Set(REST=${STRREPLACE(REST,&PJSIP/${TARGET}/)})
 same => n,GotoIf($[${FIELDQTY(REST,&)} > 1 | ${FIELDQTY(REST,\,)} > 1]?one)
 same => n,Dial(${RING},60)
 same => n,Hangup(${HANGUPCAUSE})
 same => n(one),Dial(PJSIP/${TARGET},60)
 same => n,Hangup(${HANGUPCAUSE})
 same => n(absent),Hangup(20) ; 480
"""
