"""Files of the corpus that are quarantined, and why: the field and the reason it gives."""

QUARANTINED = {
    "camt/Barzahlen_camt_parser/053__valid_example_with_instdamt.xml": (
        "Bal[CLBD]: opening 10000 and entries 450000 make 460000"
    ),
    "camt/Barzahlen_camt_parser/general__invalid_namespace.xml": "document: holds no statement",
    "camt/genkgo_camt/data__camt053.v2.all-balance-types.xml": (
        "Bal[CLBD]: opening 101 and entries 885 make 986"
    ),
    "camt/genkgo_camt/data__camt053.v2.five.decimals.xml": (
        "Bal[CLBD]: opening 1815 and entries 885 make 2700"
    ),
    "camt/genkgo_camt/data__camt053.v2.wrong.xml": "document: holds no statement",
    "mt940/fruitl00p_php-mt940/Abn__sample2": (
        "62F: opening 1736999 and entries -81200 make 1655799"
    ),
    "mt940/fruitl00p_php-mt940/Knab__sample": "62M: opening 100021 and entries -15184 make 84837",
    "mt940/fruitl00p_php-mt940/Knab__sample3": "62M: opening 0 and entries 10000000 make 10000000",
    "mt940/fruitl00p_php-mt940/Rabo__sample3": "62F: opening 114795 and entries 38756 make 153551",
    "mt940/fruitl00p_php-mt940/Rabo__sample4": (
        "62F: opening 114795 and entries -177939 make -63144"
    ),
    "mt940/my-flow_mt940/account_identification_option_B.sta": (
        "60F: the opening balance is missing"
    ),
    "mt940/my-flow_mt940/account_identification_option_B_with_BIC.sta": (
        "60F: the opening balance is missing"
    ),
    "mt940/my-flow_mt940/empty_86.sta": "25: names no account",
    "mt940/my-flow_mt940/empty_entry_date.sta": "25: names no account",
    "mt940/my-flow_mt940/empty_line.sta": "25: names no account",
    "mt940/my-flow_mt940/existing_booking_date.sta": "25: names no account",
    "mt940/my-flow_mt940/field_28.sta": "25: names no account",
    "mt940/my-flow_mt940/line_breaks_with_rn.sta": "25: names no account",
    "mt940/my-flow_mt940/message_separator_in_text.sta": (
        "62F: opening 12358 and entries -43769 make -31411"
    ),
    "mt940/my-flow_mt940/missing_crlf_at_end.sta": "25: names no account",
    "mt940/my-flow_mt940/opening_balance.sta": "25: names no account",
    "mt940/my-flow_mt940/opening_balance_with_new_line.sta": "25: names no account",
    "mt940/my-flow_mt940/short_name_of_account_owner.sta": "25: names no account",
    "mt940/my-flow_mt940/statement_number.sta": "25: names no account",
    "mt940/my-flow_mt940/statement_number_sequence_number.sta": "25: names no account",
    "mt940/railslove_cmxl/mt940-abnamro.txt": "62F: opening 323628 and entries -32144 make 291484",
    "mt940/railslove_cmxl/mt940-deutsche_bank.txt": "62F: is not a date",
    "mt940/railslove_cmxl/mt940-iso8859-1.txt": "62F: is not a date",
    "mt940/railslove_cmxl/mt940.txt": "62F: is not a date",
    "mt940/sandermarechal_jejik-mt940/abnamro.txt": (
        "62F: opening 323628 and entries -32144 make 291484"
    ),
    "mt940/sandermarechal_jejik-mt940/ing-dos.txt": "62F: opening 0 and entries -4559 make -4559",
    "mt940/sandermarechal_jejik-mt940/oldenburgischelandesbank.txt": (
        "62F: opening 0 and entries 10450 make 10450"
    ),
    "mt940/sandermarechal_jejik-mt940/oldenburgischelandesbankmitbindestrich.txt": (
        "62F: opening 27999857 and entries 172700 make 28172557"
    ),
    "mt940/sandermarechal_jejik-mt940/sparkasse2.txt": (
        "62F: opening 93105229 and entries 102725 make 93207954"
    ),
    "mt940/sandermarechal_jejik-mt940/sparkasse3.txt": (
        "62F: opening 93105229 and entries -102725 make 93002504"
    ),
    "mt940/sandermarechal_jejik-mt940/triodos.txt": (
        "62F: opening 497509 and entries -71570 make 425939"
    ),
    "mt940/svenstaro_mt940-rs/full__jejik__abnamro.sta": (
        "62F: opening 323628 and entries -32144 make 291484"
    ),
    "mt940/svenstaro_mt940-rs/special-cases__unexpected_tag.sta": "25: names no account",
    "mt940/wolph_mt940/betterplace__currency_in_25.sta": "60F: the opening balance is missing",
    "mt940/wolph_mt940/betterplace__empty_86.sta": "25: names no account",
    "mt940/wolph_mt940/betterplace__empty_entry_date.sta": "25: names no account",
    "mt940/wolph_mt940/betterplace__empty_line.sta": "25: names no account",
    "mt940/wolph_mt940/betterplace__missing_crlf_at_end.sta": "25: names no account",
    "mt940/wolph_mt940/cmxl__account_identification_legacy.sta": (
        "60F: the opening balance is missing"
    ),
    "mt940/wolph_mt940/cmxl__available_balance.sta": "25: names no account",
    "mt940/wolph_mt940/cmxl__closing_balance.sta": "25: names no account",
    "mt940/wolph_mt940/jejik__abnamro.sta": "62F: opening 323628 and entries -32144 make 291484",
    "mt940/wolph_mt940/jejik__ing.sta": "62F: opening 0 and entries -4559 make -4559",
    "mt940/wolph_mt940/jejik__triodos.sta": "62F: opening 497509 and entries -71570 make 425939",
    "mt940/wolph_mt940/self-provided__account_identification.sta": (
        "60F: the opening balance is missing"
    ),
    "mt940/wolph_mt940/self-provided__empty_non_swift.sta": "25: names no account",
    "mt940/wolph_mt940/self-provided__mt942.sta": "90D: 1 entries of 42 are listed",
    "mt940/wolph_mt940/self-provided__multiline.sta": "61: stands after the closing balance",
    "mt940/wolph_mt940/self-provided__sparkassen.sta": "25: names no account",
    "mt940/zilverline_mt940/14aug2014.swi": "62F: opening 76818 and entries -24352 make 52466",
    "mt940/zilverline_mt940/abn__abn_sepa_incasso_doorlopend.txt": (
        "62F: opening 1000000 and entries 1050 make 1001050"
    ),
    "mt940/zilverline_mt940/abn__abn_sepa_overboeking.txt": (
        "62F: opening 1000000 and entries 1050 make 1001050"
    ),
    "mt940/zilverline_mt940/abn__abn_sepa_periodieke_overboeking.txt": (
        "62F: opening 1000000 and entries 1050 make 1001050"
    ),
    "mt940/zilverline_mt940/abn__abn_structured_sepa_acceptgiro.txt": (
        "62F: opening 1000000 and entries 1050 make 1001050"
    ),
    "mt940/zilverline_mt940/abn__abn_structured_sepa_ideal.txt": (
        "62F: opening 1000000 and entries 1050 make 1001050"
    ),
    "mt940/zilverline_mt940/abn__abn_structured_sepa_overboeking.txt": (
        "62F: opening 1000000 and entries 1050 make 1001050"
    ),
    "mt940/zilverline_mt940/abn__abnamro.txt": "62F: opening 323628 and entries -32144 make 291484",
    "mt940/zilverline_mt940/abn__abnamro_structured.txt": (
        "62F: opening 1000090 and entries -2510 make 997580"
    ),
    "mt940/zilverline_mt940/abn__anb_sepa_overboeking_belastingdienst.txt": (
        "62F: opening 1000000 and entries -65000 make 935000"
    ),
    "mt940/zilverline_mt940/deutsche_bank.txt": "62M: opening 0 and entries 400 make 400",
    "mt940/zilverline_mt940/import-16-06-2014.txt": (
        "62F: opening 17337930 and entries -13721 make 17324209"
    ),
    "mt940/zilverline_mt940/ing.txt": "62F: opening 0 and entries -4659 make -4659",
    "mt940/zilverline_mt940/ing_structured.txt": (
        "62F: opening 50000 and entries -681600 make -631600"
    ),
    "mt940/zilverline_mt940/knab__knab_invalid.txt": (
        "{4:: the message ends without -}: it is cut off"
    ),
    "mt940/zilverline_mt940/rabobank_mt940_structured_multi_line.txt": (
        "62F: opening 500000 and entries -10001 make 489999"
    ),
    "mt940/zilverline_mt940/triodos_multiline_bug.txt": (
        "62F: opening 466547 and entries -12228 make 454319"
    ),
    "mt940/zilverline_mt940/unknown.txt": "62F: opening 0 and entries -4659 make -4659",
    "bai2/ministryofjustice_bai2/data__citi_example.bai2": (
        "015: opening 10000 and entries 1 make 10001"
    ),
    "bai2/moov-io_bai2/testdata__errors__sample-parseError.txt": "record: is no BAI2 record",
    "bai2/moov-io_bai2/testdata__sample4-continuations-newline-delimited.txt": (
        "49 total: the records of the account make 7999960"
    ),
    "bai2/moov-io_bai2/testdata__sample5-issue113.txt": (
        "49 total: the records of the account make 7999960"
    ),
    "bai2/venturehacks_bai2/data__daily_with_summary.bai2": (
        "015: opening 0 and entries 25001 make 25001"
    ),
    "ofx/jseutter_ofxparse/account_listing_aggregation.ofx": "OFX: holds no statement",
    "ofx/jseutter_ofxparse/error_message.ofx": "STATUS: the bank answered an error",
    "ofx/jseutter_ofxparse/fail_nice__decimal_error.ofx": "STMTTRN/TRNAMT: is not a decimal amount",
    "ofx/jseutter_ofxparse/fail_nice__empty_balance.ofx": "LEDGERBAL/BALAMT: is empty",
    "ofx/jseutter_ofxparse/fidelity-savings.ofx": (
        "STMTTRN/TRNAMT: '+00000000000115.8331' has a fraction of a minor unit of USD"
    ),
    "ofx/jseutter_ofxparse/tiaacref.ofx": (
        "TRANSFER: 1 of these: trades in securities are no entries of a bank account"
    ),
    "ofx/jseutter_ofxparse/vanguard.ofx": (
        "SELLMF: 1 of these: trades in securities are no entries of a bank account"
    ),
    "ofx/jseutter_ofxparse/vanguard401k.ofx": (
        "BUYMF: 4 of these: trades in securities are no entries of a bank account"
    ),
    "nacha/moov-io_ach/ach-adv-read__adv-read.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/ach-tel-read__tel-debit.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/ach-trc-read__trc-debit.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/examples__testdata__ack-read.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/examples__testdata__contested-return.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/issues__testdata__issue927__44a858e07e89fb0b24bcfdda733070f38ef1e889.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/issues__testdata__issue927__a6ce094411be256f495f6135d5089b9d9533fa27.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__adv-invalidFileControl.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__adv-noFileControl.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__cor-example.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__iat-invalidAddenda16.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__iat-invalidBatchHeader.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__moov-ids.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__nonascii-utf8.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__ppd-debit-customTraceNumber.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__ppd-debit.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__return-no-batch-header.ach": "file: unknown format",
    "nacha/moov-io_ach/testdata__shr-credit.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__two-micro-deposits.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
    "nacha/moov-io_ach/testdata__txp-credit.ach": (
        "file: unknown format: a NACHA file holds payments to make, not entries of an account"
    ),
}
