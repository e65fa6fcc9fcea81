"""Who may ring whom: Asterisk's dialplan for extensions and for direct addresses."""

EXTENSIONS_CONF = r"""; Who may ring whom. Written by `ringback sip asterisk-config`.
[general]
static=yes
writeprotect=yes

; A registered phone. It rings its own customer's extensions, and any direct address.
[default]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Goto(direct,${EXTEN},1)
; The domain is that of the endpoint that has proved its password: no call leaves its customer.
exten => _[0-9A-Za-z+_.]!,1,Set(TARGET=${FILTER(0-9A-Za-z+_.\-,${EXTEN})}@${CUT(CHANNEL(endpoint),@,2)})
 same => n,GotoIf($["${REALTIME_FIELD(ps_endpoints,id,${TARGET},id)}" = "${TARGET}"]?ring,s,1)
 same => n,Hangup(1) ; 404

; Anybody, registered or not: sip:direct.<hash>@..., in any letter case. The view has live hashes only.
[direct]
exten => _[dD][iI][rR][eE][cC][tT][.]!,1,Set(HASH=${FILTER(0-9a-f,${TOLOWER(${EXTEN:7})})})
 same => n,GotoIf($[${LEN(${HASH})} != ${LEN(${EXTEN:7})}]?unknown)
 same => n,Set(TARGET=${REALTIME_FIELD(ringback_directs,hash,${HASH},endpoint)})
 same => n,GotoIf($["${TARGET}" != ""]?ring,s,1)
 same => n(unknown),Hangup(1) ; 404

; All contacts of TARGET at once, 60 s.
[ring]
exten => s,1,Set(CONTACTS=${PJSIP_AOR(${TARGET},contact)})
 same => n,GotoIf($["${CONTACTS}" = ""]?absent)
 same => n,Set(RING=${PJSIP_DIAL_CONTACTS(${TARGET})})
; A contact is the phone's own text. One with "&" or "," in it could ring another customer's phone:
; then only the first contact is rung, by a string that has no contact in it.
 same => n,GotoIf($[${FIELDQTY(RING,&)} != ${FIELDQTY(CONTACTS,\,)} | ${FIELDQTY(RING,\,)} > 1]?first)
 same => n,Dial(${RING},60)
 same => n,Hangup(${HANGUPCAUSE})
 same => n(first),Dial(PJSIP/${TARGET},60)
 same => n,Hangup(${HANGUPCAUSE})
 same => n(absent),Hangup(20) ; 480
"""
