-- name: insert_customer
insert into customers (
    id, merchant_id, name, email, phone, upi_type, kyc_level, vpa_masked, livemode, created_at
) values (
    %(id)s, %(merchant_id)s, %(customer_name)s, %(email)s, %(phone)s, %(upi_type)s, %(kyc_level)s,
    %(vpa_masked)s, %(livemode)s, %(created_at)s
);

-- name: customer
select id, merchant_id, name, email, phone, upi_type, kyc_level, vpa_masked, livemode, created_at,
    version, erased_at
from customers
where id = %(id)s and merchant_id = %(merchant_id)s;

-- name: page
select id, merchant_id, name, email, phone, upi_type, kyc_level, vpa_masked, livemode, created_at,
    version, erased_at
from customers
where merchant_id = %(merchant_id)s and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s;

-- name: update_customer
-- Touches no row when somebody else changed it since `version` was read.
update customers
set name = %(customer_name)s, email = %(email)s, phone = %(phone)s, upi_type = %(upi_type)s,
    kyc_level = %(kyc_level)s, vpa_masked = %(vpa_masked)s, erased_at = %(erased_at)s, version = %(version)s + 1
where id = %(id)s and merchant_id = %(merchant_id)s and version = %(version)s

-- name: by_ids
select * from customers where id = any(%(ids)s::uuid[]) and merchant_id = %(merchant_id)s
