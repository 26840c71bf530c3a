"""statusjson.cgi, objectjson.cgi and archivejson.cgi: the same questions, the same answers, over all pollers at once.

What belongs here: the three CGIs without HTTP. `surface.json` is what can be asked, as the originals' own `query=help` says it;
`words.py` their words and numbers; `options.py` reads a query string by those tables; `output.py` writes values as asked for;
`envelope.py` puts an answer together; `names.py` finds what a selector names; `selection.py` turns selectors into SQL; then a
module per subject. `differences.json` lists where and why an answer is not the original's: the documentation and the
differential test are made from it.

Rules: whatever is read is read within the caller's sight, so that what is out of it is unknown, in counts too. What stands in
lists keyed by name keeps the rule of two pollers with one host name (`names.py`).

Source for every form of answer: Nagios 4.4.6 (Debian nagios4-cgi 4.4.6-4), run beside ours by tests/system/test_json_cgis.py.
"""
